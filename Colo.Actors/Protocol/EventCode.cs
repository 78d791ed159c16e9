namespace Colo.Actors.Protocol;

/// <summary>
/// Stable codes, never reused. Groups: 1xxx life cycle, 2xxx heartbeat and term, 3xxx checkpoint, 4xxx packet, 5xxx
/// disk, 6xxx fail-over, 7xxx operator, 8xxx drill, 9xxx invariant. Each has an entry in docs/events.md.
/// </summary>
public enum EventCode
{
    NodeStarted = 1001,
    VmParked = 1002,
    GuestBooting = 1003,
    GuestRunning = 1004,
    GuestEnded = 1005,
    GuestBootFailed = 1006,
    ColdStartWaits = 1007,
    NodeStops = 1008,
    GuestSilent = 1009,
    GuestAnswers = 1010,
    VmDefined = 1011,
    VmRemoved = 1012,

    PeerLost = 2001,
    PeerSeen = 2002,
    PeerRestarted = 2003,
    StaleTermRefused = 2004,
    TermWon = 2005,
    TermRefused = 2006,
    ArbiterUnknown = 2007,
    HigherTermSeen = 2008,
    GatewayLost = 2009,
    GatewayBack = 2010,
    LocalStall = 2011,
    LinkLost = 2012,
    LinkBack = 2013,
    HostLost = 2014,

    CheckpointRequested = 3001,
    CheckpointCaptured = 3002,
    CheckpointCommitted = 3003,
    CheckpointLoaded = 3004,
    CheckpointAborted = 3005,
    CheckpointRejected = 3006,
    CheckpointStalled = 3007,
    ModeChanged = 3008,
    ImageDiscarded = 3009,
    LoadFailed = 3010,

    Mismatch = 4001,

    DiskLinkLost = 5001,
    DiskBufferHigh = 5002,
    DiskMerged = 5003,
    ResyncStarted = 5004,
    ResyncDone = 5005,
    ResyncFailed = 5006,
    GuestThrottled = 5007,
    LocalDiskError = 5008,
    VerifyStarted = 5009,
    VerifyEqual = 5010,
    VerifyDiffers = 5011,
    VerifyAborted = 5012,

    FailoverStarted = 6001,
    TookOver = 6002,
    WentSolo = 6003,
    Evicted = 6004,
    JoinStarted = 6005,
    JoinCheckpointTaken = 6006,
    PairEstablished = 6007,
    JoinAborted = 6008,
    SwitchoverStarted = 6009,
    SwitchoverDone = 6010,
    SwitchoverCancelled = 6011,
    HoldingForArbiter = 6012,
    HoldingForOperator = 6013,
    ReplicaDiscarded = 6014,

    CommandDone = 7001,
    CommandRefused = 7002,
    CommandFailed = 7003,
    ProtectionPaused = 7004,
    ProtectionResumed = 7005,
    Draining = 7006,
    CommandReceived = 7007,
    PlacementChanged = 7008,

    // 8001 and 8002 stood for something else once.
    FaultInjected = 8003,
    FaultEnded = 8004,
    DrillStarted = 8005,
    DrillEnded = 8006,

    InvariantViolated = 9001,
}
