namespace Colo.Vmm.Links;

/// <summary>What a data link between two nodes carries. The numbers are on the wire; zero is never valid.</summary>
public enum LinkKind : ushort
{
    /// <summary>Checkpoint messages and device state, both directions.</summary>
    CheckpointControl = 1,

    /// <summary>Pages of checkpoints, primary to secondary; one link a page channel.</summary>
    CheckpointPages = 2,

    /// <summary>Client frames, primary to secondary.</summary>
    Mirror = 3,

    /// <summary>Frames that the secondary guest sent, secondary to primary.</summary>
    Compare = 4,

    /// <summary>Guest disk writes and their acknowledgements.</summary>
    Disk = 5,

    /// <summary>Disk contents during re-protection.</summary>
    Resync = 6,

    /// <summary>Heartbeats; answered as they come.</summary>
    Heartbeat = 7,
}
