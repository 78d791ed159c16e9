namespace Colo.Vmm.Net;

/// <summary>Bounds of a <see cref="SequenceRewriter"/>.</summary>
public sealed record RewriterOptions
{
    /// <summary>Connections tracked; QEMU's number.</summary>
    public int ConnectionsMax { get; init; } = 16384;

    /// <summary>How long an ended connection is kept, for late and repeated segments: more than the longest pause
    /// between two retransmissions, which is 120 s in Linux, because a FIN that was seen need not have
    /// arrived.</summary>
    public TimeSpan TimeWait { get; init; } = TimeSpan.FromSeconds(150);
}

/// <summary>What is to be done with a frame.</summary>
public enum RewriteResult
{
    /// <summary>Deliver it; nothing was changed.</summary>
    Unchanged = 1,

    /// <summary>Deliver it; numbers and checksum were changed in place.</summary>
    Rewritten,

    /// <summary>
    /// Do not deliver it: it acknowledges a SYN that this guest has not sent yet, and the guest would answer with a
    /// reset. The client's next segment says it again.
    /// </summary>
    Withhold,
}
