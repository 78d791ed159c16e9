namespace Colo.Actors.Vm;

/// <summary>What a backend measures. Counters only rise during one life of the node.</summary>
public sealed record VmGauges
{
    /// <summary>Running, paused, off, and the like; the machine's own word.</summary>
    public string Machine { get; init; } = "off";

    public long FramesMatched { get; init; }

    public long FramesCommitted { get; init; }

    public long FramesSolo { get; init; }

    /// <summary>Frames that could not leave at once.</summary>
    public long FramesHeld { get; init; }

    /// <summary>Frames of the mirror that an image had brought already, and which were not delivered again.</summary>
    public long FramesLate { get; init; }

    public long Mismatches { get; init; }

    /// <summary>Last pause of the primary at a checkpoint.</summary>
    public TimeSpan LastPause { get; init; }

    /// <summary>Time from the request of the last checkpoint to its commit.</summary>
    public TimeSpan LastCheckpoint { get; init; }

    /// <summary>The last checkpoint with every phase; null before the first, and where the backend does not measure
    /// them.</summary>
    public CheckpointTiming? Timing { get; init; }

    public long CheckpointBytes { get; init; }

    public long CheckpointPages { get; init; }

    /// <summary>Bytes forwarded to the peer's disk and not yet acknowledged.</summary>
    public long DiskLagBytes { get; init; }

    /// <summary>Fill of the secondary's disk buffer.</summary>
    public long DiskBufferBytes { get; init; }

    /// <summary>Resync: done of total, zero when none runs.</summary>
    public long ResyncDoneBytes { get; init; }

    public long ResyncTotalBytes { get; init; }

    /// <summary>What the compiling tier has done on all harts; null where the backend has none.</summary>
    public VmTierGauges? Tier { get; init; }
}
