namespace Colo.Actors.Heartbeat;

/// <summary>What this node's own control link to a peer says about it.</summary>
public enum LinkCondition
{
    Up = 1,

    /// <summary>Broken, or the attempt to connect found nobody: says nothing certain about the peer's
    /// process.</summary>
    Down = 2,

    /// <summary>The peer's host answered that nobody listens: its process is gone.</summary>
    Refused = 3,

    /// <summary>Given up because nothing was acknowledged for a while: what that means is the detectors'
    /// affair.</summary>
    Silent = 4,
}
