namespace Colo.Vmm.Checkpoint;

/// <summary>Why a side asks for a checkpoint, as the byte that crosses the wire.</summary>
public enum CheckpointWantedReason : byte
{
    None = 0,

    /// <summary>Staged and changed pages of the secondary have reached their bound.</summary>
    SecondaryMemory = 1,

    /// <summary>Pages that were sent ahead fill the secondary's room.</summary>
    PrecopyFull = 2,
}
