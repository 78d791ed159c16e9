namespace Colo.Actors.Disk;

/// <summary>Where re-protection stands.</summary>
public enum ResyncState
{
    Idle = 1,
    CopyingDisk,
    CopyingMemory,
}
