namespace Colo.Actors.Protocol;

/// <summary>The timers of all cores. A core has at most one running timer of a name; starting it again replaces
/// it.</summary>
public enum TimerName
{
    /// <summary>Failover: ask the arbiter again after "unknown".</summary>
    ArbiterRetry = 1,

    /// <summary>Failover, parked: offer to join again.</summary>
    JoinOffer = 2,

    /// <summary>Failover: a step that needs the peer (join, switchover, guest end) takes too long.</summary>
    PeerStep = 3,

    /// <summary>Failover: wait before asking for solo because this host looks cut off itself.</summary>
    IsolationHandicap = 4,

    /// <summary>Failover, solo: every host that can join has had the time to say so; the best of them is
    /// taken.</summary>
    JoinChoice = 5,

    /// <summary>Failover, cold start: the machine failed again and again; start it once more.</summary>
    MachineRetry = 6,

    /// <summary>Primary checkpoint: the period is over.</summary>
    Period = 10,

    /// <summary>Primary checkpoint: the floor between two checkpoints is over.</summary>
    Floor = 11,

    /// <summary>Primary checkpoint: the peer does not answer within the phase's time.</summary>
    Phase = 12,

    /// <summary>Primary checkpoint, mode auto: try comparing again.</summary>
    AutoReturn = 13,

    /// <summary>Resync: no progress.</summary>
    ResyncStall = 20,

    /// <summary>Heartbeat: next deadline.</summary>
    Heartbeat = 30,
}
