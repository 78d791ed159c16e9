namespace Colo.Vmm.Block;

/// <summary>What went wrong with a disk buffer since its start; the first one is kept.</summary>
public enum DiskBufferError
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It has not been started.</summary>
    NotRunning,

    /// <summary>The hard bound was reached and a change could not be kept apart: this replica is no longer
    /// one.</summary>
    BufferFull,

    /// <summary>Reading or writing the disk or the buffer file failed under the primary's write.</summary>
    ReplicationFailed,

    /// <summary>The merge failed.</summary>
    MergeFailed,

    /// <summary>The primary's stream broke the rules (an epoch that is not open).</summary>
    ProtocolViolation,
}
