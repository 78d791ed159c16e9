namespace Colo.Vmm.Qemu;

/// <summary>How a pair of QEMUs replicates.</summary>
public sealed record QemuPairSettings
{
    /// <summary>
    /// Whether the secondary's answers are compared. Without it every answer is held until the next checkpoint, which
    /// is what periodic checkpointing means; see <see cref="QemuNetPlans"/>.
    /// </summary>
    public required bool Compare { get; init; }

    /// <summary>Whether it is Colo's comparer that compares, in the node, and not QEMU's colo-compare.</summary>
    public bool OwnComparer { get; init; }

    /// <summary>Whether every checkpoint is asked for by the node, because it begins at a gate that is not
    /// QEMU's.</summary>
    public bool NodeDrivesCheckpoints => !Compare || OwnComparer;

    /// <summary>Longest time between two checkpoints.</summary>
    public required TimeSpan CheckpointPeriod { get; init; }

    /// <summary>An answer that only one side has given for this long asks for a checkpoint.</summary>
    public required TimeSpan CompareTimeout { get; init; }

    /// <summary>Packets per connection and side; what comes beyond it QEMU drops, so it is large.</summary>
    public int CompareQueuePackets { get; init; } = 16384;

    /// <summary>Bytes a second of a disk copy; zero: no limit.</summary>
    public long CopyBytesPerSecond { get; init; }

    /// <summary>Longest time that the first state may take to the peer.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The comparer's time-out as QEMU is told.</summary>
    public long CompareTimeoutMilliseconds => Math.Max(1, (long)CompareTimeout.TotalMilliseconds);

    /// <summary>The period as QEMU is told. Where the node asks for each checkpoint QEMU's own clock gets the longest
    /// time that it knows, 49 days.</summary>
    public long OwnPeriodMilliseconds =>
        NodeDrivesCheckpoints ? uint.MaxValue : Math.Max(1, (long)CheckpointPeriod.TotalMilliseconds);
}
