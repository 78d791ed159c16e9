namespace Colo.Actors.Network;

/// <summary>Why a frame may leave, or why it is held. There is no other way to be: dropped frames never came to the
/// gate.</summary>
public enum FrameFate
{
    /// <summary>Permit 1: the secondary made the same bytes from the same epoch and has received what the frame
    /// acknowledges.</summary>
    Matched = 1,

    /// <summary>Permit 2: made before the capture of a checkpoint that the secondary has acknowledged as
    /// committed.</summary>
    Committed = 2,

    /// <summary>Permit 3: the arbiter has acknowledged this host as the only owner.</summary>
    Solo = 3,

    /// <summary>This host is not the releaser.</summary>
    HeldGateClosed = 10,

    /// <summary>The frame was made in a term above the one that the permit is for.</summary>
    HeldNewerTerm = 11,

    /// <summary>No equal bytes from the secondary yet, and no checkpoint that covers it.</summary>
    HeldNotMatched = 12,

    /// <summary>Equal bytes, but made from another epoch: after a takeover the survivor might answer
    /// differently.</summary>
    HeldEpochsDiffer = 13,

    /// <summary>Equal bytes, but the frame acknowledges client bytes that the secondary is not known to have.</summary>
    HeldAckTooFar = 14,
}
