namespace Colo.Vmm.Block;

/// <summary>What the buffer file says about its disk. Values are those on disk; zero is invalid.</summary>
public enum DiskBufferState
{
    /// <summary>No valid header: nothing is known, so the disk is not to be trusted.</summary>
    Unknown = 0,

    /// <summary>A pair was running: the disk has writes of an epoch that no survivor may be in. Stale.</summary>
    Running = 1,

    /// <summary>A takeover was merging: run the merge again.</summary>
    Merging = 2,

    /// <summary>The takeover's merge is complete: the disk is whole.</summary>
    Merged = 3,

    /// <summary>Stopped without takeover: the disk has the primary's writes up to the stop.</summary>
    Stopped = 4,
}
