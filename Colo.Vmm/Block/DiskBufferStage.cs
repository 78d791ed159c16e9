namespace Colo.Vmm.Block;

/// <summary>Where a disk buffer is in its life; the stages of QEMU's block replication.</summary>
public enum DiskBufferStage
{
    /// <summary>Not started: every request fails.</summary>
    None,

    /// <summary>The pair runs.</summary>
    Running,

    /// <summary>Took over; the merge into the disk is under way.</summary>
    Failover,

    /// <summary>The merge failed; the guest still sees the right content, and the merge can be tried again.</summary>
    FailoverFailed,

    /// <summary>Merged or stopped: requests go to the disk.</summary>
    Done,
}
