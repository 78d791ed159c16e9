namespace Colo.Vmm.Net;

/// <summary>Bounds of a <see cref="PacketComparer"/>.</summary>
public sealed record ComparerOptions
{
    private static readonly TimeSpan s_aheadLeast = TimeSpan.FromSeconds(2);
    private readonly TimeSpan? ahead;

    /// <summary>Largest age of a primary's frame that waits for its counterpart. 200 ms is the COLO paper's;
    /// QEMU has 3000.</summary>
    public TimeSpan CompareTimeout { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Largest age of a secondary's frame that the primary has not sent. Nobody waits for it, so it may be
    /// much higher; 2 s, or the compare timeout where that is longer.</summary>
    public TimeSpan AheadTimeout
    {
        get => ahead ?? (CompareTimeout > s_aheadLeast ? CompareTimeout : s_aheadLeast);
        init => ahead = value;
    }

    /// <summary>Frames in one queue of one connection before a checkpoint is asked for; QEMU's default. Frames
    /// beyond it are kept.</summary>
    public int QueueFramesMax { get; init; } = 1024;

    /// <summary>Buffer bytes held in all queues. At three quarters the comparer is saturated and the guest should
    /// be paused; at the bound it takes no more from the primary, and drops the secondary's.</summary>
    public long HeldBytesMax { get; init; } = 128L << 20;

    /// <summary>Connections tracked. At the bound the longest idle one is forgotten, which can cost one extra
    /// checkpoint.</summary>
    public int ConnectionsMax { get; init; } = 16384;

    /// <summary>Flows that are released without comparing; the first rule that matches decides.</summary>
    public IReadOnlyList<PassThroughRule> PassThrough { get; init; } = [];

    /// <summary>All violations of the relations that must hold; empty when there are none.</summary>
    public IReadOnlyList<string> Validate()
    {
        List<string> violations = [];
        if (CompareTimeout <= TimeSpan.Zero)
        {
            violations.Add($"CompareTimeout is {CompareTimeout}; expected more than zero");
        }
        if (AheadTimeout < CompareTimeout)
        {
            violations.Add($"AheadTimeout is {AheadTimeout}; expected at least CompareTimeout ({CompareTimeout})");
        }
        if (QueueFramesMax < 1)
        {
            violations.Add($"QueueFramesMax is {QueueFramesMax}; expected at least 1");
        }
        if (HeldBytesMax < 4L * StreamFraming.MaxPayloadBytes)
        {
            violations.Add($"HeldBytesMax is {HeldBytesMax}; expected at least four of the largest frames "
                + $"({4 * StreamFraming.MaxPayloadBytes})");
        }
        if (ConnectionsMax < 1)
        {
            violations.Add($"ConnectionsMax is {ConnectionsMax}; expected at least 1");
        }
        return violations;
    }
}
