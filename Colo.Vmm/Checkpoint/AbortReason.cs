namespace Colo.Vmm.Checkpoint;

/// <summary>Why a checkpoint was given up, as the byte that crosses the wire.</summary>
public enum AbortReason : byte
{
    None = 0,

    /// <summary>The primary's caller asked for it.</summary>
    Cancelled = 1,

    /// <summary>The dirty pages do not fit into what the secondary may stage.</summary>
    TooManyPages = 2,

    /// <summary>Counts, sets or device state of the checkpoint did not add up on the secondary.</summary>
    VerificationFailed = 3,

    /// <summary>The secondary's owner refused to commit, for example because a takeover had begun.</summary>
    CommitRefused = 4,

    /// <summary>The primary could not capture its machine.</summary>
    CaptureFailed = 5,
}
