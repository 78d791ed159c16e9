namespace Colo.Actors.Checkpoint;

/// <summary>What asked for a checkpoint.</summary>
public enum CheckpointReason
{
    Mismatch = 1,
    CompareTimeout = 2,

    /// <summary>A compare queue is full (never a reason to drop, S13).</summary>
    QueueFull = 3,
    Period = 4,
    Operator = 5,

    /// <summary>The first one, which makes a joiner complete.</summary>
    Join = 6,

    /// <summary>The last one before the roles are exchanged; the primary stays paused after it.</summary>
    Switchover = 7,

    /// <summary>The secondary's disk buffer is near its bound; a checkpoint empties it.</summary>
    DiskBufferFull = 8,

    /// <summary>The comparer was restarted and has forgotten what it held.</summary>
    ComparerRestarted = 9,

    /// <summary>The guest reset, stopped or panicked on one side.</summary>
    GuestEvent = 10,

    /// <summary>The secondary refused the previous image.</summary>
    Retry = 11,

    /// <summary>Too many pages are dirty for a short checkpoint.</summary>
    DirtyPages = 12,
}
