namespace Colo.Actors.Checkpoint.Primary;

/// <summary>Where the primary stands in a checkpoint; design section 7.</summary>
public enum PrimaryCheckpointState
{
    /// <summary>No session.</summary>
    Idle = 1,

    /// <summary>The joiner has been invited and has not said checkpoint-ready.</summary>
    AwaitingReady,

    /// <summary>No checkpoint in flight.</summary>
    Running,

    /// <summary>checkpoint-request is sent (step 3).</summary>
    Requested,

    /// <summary>The machine takes the state (step 4).</summary>
    Capturing,

    /// <summary>The image is under way (step 5).</summary>
    Sending,

    /// <summary>Committed; the secondary loads (steps 6 and 7).</summary>
    AwaitingLoaded,

    /// <summary>Both guests stand at the same image, paused, until the arbiter has exchanged the roles.</summary>
    Handover,
}
