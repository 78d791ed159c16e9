namespace Colo.Actors.Protocol;

/// <summary>
/// A timer of this core went off. The generation is the one that <see cref="Effect.StartTimer"/> carried; a core
/// ignores all but the newest, so a timer that was already on its way when it was replaced does no harm.
/// </summary>
public sealed record TimerFired(TimerName Name, long Generation)
    : Message, IFailoverInput, IPrimaryCheckpointInput, IResyncInput;

/// <summary>What gave a peer away as lost.</summary>
public enum LossEvidence
{
    /// <summary>No heartbeat on any link for longer than the detector allows.</summary>
    Silence = 1,

    /// <summary>Its process is gone: connections reset or refused.</summary>
    ProcessGone = 2,

    /// <summary>It came back in a new life, so the old one is dead.</summary>
    Restarted = 3,

    /// <summary>A replication channel broke while heartbeats go on.</summary>
    ReplicationLink = 4,

    /// <summary>It did not finish a checkpoint or another step in time, or refused images repeatedly.</summary>
    Stalled = 5,

    /// <summary>The operator said so.</summary>
    Operator = 6,
}

/// <summary>The data links between the two hosts of a pair.</summary>
public enum ReplicationChannel
{
    Control = 1,
    Checkpoint = 2,
    Disk = 3,
    Mirror = 4,
    Compare = 5,
}

/// <summary>How a guest ended by itself.</summary>
public enum GuestEnd
{
    Shutdown = 1,
    Panic = 2,
}

/// <summary>What a host knows about the disk that it has, told to the owner when it offers to join.</summary>
/// <param name="LastTerm">Term in which the disk was last in step with the owner's; zero when never or unknown.</param>
/// <param name="HasWriteBitmap">The joiner kept a bitmap of its own writes since then that may differ (it was primary
/// and flushed it).</param>
/// <param name="SizeBytes">0 when there is no disk yet.</param>
public readonly record struct DiskLineage(Term LastTerm, bool HasWriteBitmap, long SizeBytes);
