namespace Colo.Actors.Network;

/// <summary>What a comparer decided: the words of tap, page and JSON.</summary>
public enum TapWord
{
    /// <summary>A frame of the primary left.</summary>
    Released = 1,

    /// <summary>A frame of the primary could not leave on arrival and waits.</summary>
    Held = 2,

    /// <summary>The two guests differ, or one of them did not answer in time.</summary>
    Mismatch = 3,

    /// <summary>A checkpoint was asked for.</summary>
    CheckpointAsked = 4,
}

/// <summary>Why, in each case of <see cref="TapWord"/>: permits of released frames, what held ones wait for, and what
/// made a mismatch or asked for a checkpoint.</summary>
public enum TapReason
{
    /// <summary>Released: both guests have made it.</summary>
    Matched = 1,

    /// <summary>Released: a checkpoint covers it.</summary>
    Committed,

    /// <summary>Released: this host is alone.</summary>
    Solo,

    /// <summary>Released: a flow that the operator excepted.</summary>
    PassThrough,

    /// <summary>Held: the secondary has not answered the same yet.</summary>
    AwaitsSecondary,

    /// <summary>Held: made after a capture whose commit is not known yet.</summary>
    AwaitsCommit,

    /// <summary>Mismatch: a byte of the payload.</summary>
    Payload,

    /// <summary>Mismatch: datagrams of unequal length.</summary>
    Length,

    /// <summary>Mismatch: one side ended the stream where the other goes on.</summary>
    EndOfStream,

    /// <summary>Mismatch: the options of a SYN.</summary>
    SynOptions,

    /// <summary>Mismatch or checkpoint: an answer of one side was not met by the other in time.</summary>
    Timeout,

    /// <summary>Checkpoint: the guests answered differently.</summary>
    Mismatch,

    /// <summary>Checkpoint: a queue is at its bound.</summary>
    Overflow,

    /// <summary>Checkpoint: the one in flight failed.</summary>
    Abandoned,
}
