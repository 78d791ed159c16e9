using Colo.Actors.Checkpoint;

namespace Colo.Simulation;

/// <summary>
/// What one world is like, drawn from its seed. Whole fault classes are switched off at random, so that rare ones are
/// not drowned.
/// </summary>
public sealed record SwarmOptions
{
    public int Hosts { get; init; } = 2;

    public int Clients { get; init; } = 2;

    public int RequestsPerClient { get; init; } = 40;

    public int Pipeline { get; init; } = 2;

    /// <summary>Divergence of the replicas, per mille of the occasions.</summary>
    public int DivergencePerMille { get; init; } = 50;

    public int LossPerMille { get; init; }

    public int DuplicatePerMille { get; init; }

    public long JitterMicros { get; init; } = 100;

    public long CompareTimeoutMicros { get; init; } = 30_000;

    public ReplicationMode Mode { get; init; } = ReplicationMode.Colo;

    /// <summary>Per mille of arbiter requests or answers that are lost.</summary>
    public int ArbiterLossPerMille { get; init; }

    public int ClockDriftPpm { get; init; }

    public int Faults { get; init; } = 3;

    public IReadOnlyList<FaultKind> FaultKinds { get; init; } = [];

    /// <summary>Faults happen in this first part of the run.</summary>
    public long FaultPhaseMicros { get; init; } = 8_000_000;

    public long ImagePartMicros { get; init; } = 300;

    /// <summary>The cores run in the VM's real actors instead of in a loop of the simulation.</summary>
    public bool InActors { get; init; }

    /// <summary>There is one disk, which all hosts open.</summary>
    public bool SharedDisk { get; init; }

    /// <summary>The guest is a program in the real machine instead of a model.</summary>
    public bool InMachine { get; init; }

    public static SwarmOptions Draw(SeededRandom random)
    {
        List<FaultKind> kinds = [];
        foreach (FaultKind kind in Enum.GetValues<FaultKind>())
        {
            // Kinds that came later have a stream of their own: the seeds before them stay the worlds that they were.
            SeededRandom source = kind > FaultKind.BufferHigh ? random.Stream($"kind {kind}") : random;
            if (source.Chance(500))
            {
                kinds.Add(kind);
            }
        }

        if (kinds.Count == 0)
        {
            kinds.Add(FaultKind.KillProcess);
        }

        return new SwarmOptions
        {
            Hosts = random.Chance(200) ? 3 : 2,
            Clients = (int)random.Between(1, 3),
            RequestsPerClient = (int)random.Between(30, 120),
            Pipeline = (int)random.Between(1, 4),
            DivergencePerMille = random.Chance(300) ? 0 : (int)random.LogBetween(5, 400),
            LossPerMille = random.Chance(700) ? 0 : (int)random.LogBetween(1, 100),
            DuplicatePerMille = random.Chance(700) ? 0 : (int)random.LogBetween(1, 100),
            JitterMicros = random.LogBetween(50, 4_000),
            CompareTimeoutMicros = random.LogBetween(5_000, 80_000),
            Mode = (ReplicationMode)random.Between(1, 3),
            ArbiterLossPerMille = random.Chance(600) ? 0 : (int)random.LogBetween(10, 400),
            ClockDriftPpm = random.Chance(600) ? 0 : (int)random.Between(1, 500),
            Faults = (int)random.Between(1, 6),
            FaultKinds = kinds,
            ImagePartMicros = random.LogBetween(50, 5_000),
        };
    }
}
