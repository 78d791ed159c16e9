namespace Colo.Actors.Checkpoint.Secondary;

/// <summary>Where the secondary stands in a checkpoint.</summary>
public enum SecondaryCheckpointState
{
    /// <summary>No session.</summary>
    Idle = 1,

    /// <summary>Ready, without a guest: the first image is still to come.</summary>
    Joining,

    /// <summary>The SVM runs from its own state.</summary>
    Running,

    /// <summary>checkpoint-request has come, the SVM is being paused.</summary>
    Pausing,

    /// <summary>checkpoint-reply is sent; image bytes may come.</summary>
    Paused,

    /// <summary>vmstate-send has come.</summary>
    Receiving,

    /// <summary>Committed: from here only forward.</summary>
    Loading,

    /// <summary>Loaded for a switchover; the SVM stands paused at the image.</summary>
    Handover,

    /// <summary>The primary is lost and the guest stands at one history. No order of a primary is taken any
    /// more.</summary>
    Settled,

    /// <summary>A committed image could not be loaded. Waits to be thrown away.</summary>
    Broken,
}
