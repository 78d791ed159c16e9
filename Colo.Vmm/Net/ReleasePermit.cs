namespace Colo.Vmm.Net;

/// <summary>Why a frame may leave (the output-commit rule, S1).</summary>
public enum ReleasePermit
{
    /// <summary>Both replicas produced it in the committed epoch, and the secondary has received what it
    /// acknowledges.</summary>
    Matched = 1,

    /// <summary>It was produced before a capture whose commit the secondary has acknowledged.</summary>
    Committed,

    /// <summary>This host owns the VM alone in the arbiter's current term.</summary>
    Solo,

    /// <summary>The operator listed its flow as never equal and not worth protecting.</summary>
    PassThrough,
}

/// <summary>Why a frame will never leave.</summary>
public enum DropReason
{
    /// <summary>A secondary's frame that has done its work: its bytes matched, or it only carried an
    /// acknowledgement.</summary>
    Consumed = 1,

    /// <summary>A secondary's frame of an epoch that a newer checkpoint has replaced.</summary>
    Superseded,

    /// <summary>A secondary's frame over the memory bound. A checkpoint has been asked for.</summary>
    Overflow,

    /// <summary>A frame with an epoch that cannot be: nothing has captured it.</summary>
    UnknownEpoch,

    /// <summary>This host owns the VM alone; nobody else's frames count.</summary>
    Solo,

    /// <summary>This host lost the term and may not release anything.</summary>
    TermLost,

    /// <summary>A secondary's frame of a pass-through flow.</summary>
    PassThrough,
}

/// <summary>Why the comparer wants a checkpoint.</summary>
public enum CheckpointReason
{
    /// <summary>The replicas answered differently.</summary>
    Mismatch = 1,

    /// <summary>An answer of one side was not met by the other in time.</summary>
    Timeout,

    /// <summary>A queue is at its bound.</summary>
    Overflow,

    /// <summary>The checkpoint in flight failed while both hosts live, so that frames of its epoch can only be
    /// committed by another.</summary>
    Abandoned,
}

/// <summary>Which replica.</summary>
public enum ReplicaSide
{
    Primary = 1,
    Secondary,
}
