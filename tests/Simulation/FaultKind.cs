namespace Colo.Simulation;

/// <summary>Faults of the reliability page, C.3, as far as this simulator injects them.</summary>
public enum FaultKind
{
    /// <summary>F01: the process of a host dies at once; its connections are reset. It comes back later.</summary>
    KillProcess = 1,

    /// <summary>F01 without a reset: the host loses power, only silence tells.</summary>
    PowerFail,

    /// <summary>F04, F05: the process stands still, then goes on as if nothing had been.</summary>
    Freeze,

    /// <summary>F09: the link between two hosts, both ways.</summary>
    CutHosts,

    /// <summary>F10: one way only.</summary>
    CutOneWay,

    /// <summary>A host hears and is heard by nobody.</summary>
    Isolate,

    /// <summary>A host and the clients' network.</summary>
    CutLan,

    /// <summary>F17: the data links of the pair break, everything else works.</summary>
    ResetDataLinks,

    /// <summary>F17: only heartbeats are lost.</summary>
    HeartbeatsLost,

    /// <summary>F12: delays of seconds would be a cut; these stay below.</summary>
    Slow,

    /// <summary>F33: the witness does not answer anybody.</summary>
    WitnessDown,

    /// <summary>F33: the witness does not answer one host.</summary>
    WitnessCut,

    /// <summary>F15: the next images arrive damaged.</summary>
    CorruptImages,

    /// <summary>F16: control messages of the past come again.</summary>
    Replay,

    /// <summary>F35: both hosts at once.</summary>
    KillBoth,

    /// <summary>F37: planned switchover.</summary>
    Switchover,

    /// <summary>F37: operator's failover of a healthy pair.</summary>
    OperatorFailover,

    /// <summary>F37: unprotect and protect again.</summary>
    Unprotect,

    /// <summary>F26: the machine of one host fails.</summary>
    MachineFails,

    /// <summary>The mode is changed while running.</summary>
    ChangeMode,

    /// <summary>F24: the disk buffer of the secondary reports to be nearly full.</summary>
    BufferHigh,

    /// <summary>F19, F20: the disk of a host fails a request; the host learns of it.</summary>
    DiskFails,

    /// <summary>F21: a host's disk takes long for all that the other host sends to it, and for a merge.</summary>
    DiskSlow,

    /// <summary>F06: a host handles everything 2 to 100 times slower.</summary>
    SlowHost,

    /// <summary>F13: a link takes everything, datagrams too, and gives it out in one burst at the end.</summary>
    Clog,

    /// <summary>F13: some links clog one after the other, and unclog in another order.</summary>
    SwizzleClog,

    /// <summary>F02: a host dies and comes back with an empty disk, and nothing of what it had noted there.</summary>
    DiskLost,

    /// <summary>F40: the source of a copy, its target, or both die in its midst.</summary>
    CopyBreaks,

    /// <summary>F33, F34: the witness's process dies, often in the midst of a write, which is lost or not.</summary>
    WitnessRestarts,

    /// <summary>F34: the witness's storage loses its last write, often right after the answer, or all.</summary>
    WitnessForgets,

    /// <summary>F27: the guest reboots, on one host or on all that have it, not quite at the same time.</summary>
    GuestReboots,

    /// <summary>F27: the guest powers off, on one host or on all that have it, or the operator stops it. Somebody
    /// starts it again later.</summary>
    GuestEnds,

    /// <summary>F22: one host or all lose their power, and any subset of what their disks had not flushed is lost or
    /// torn.</summary>
    PowerCut,
}
