namespace Colo.Simulation;

/// <summary>One fault: what, when, to whom, for how long.</summary>
public sealed record Fault(long At, FaultKind Kind, Place Target, long DurationMicros);

/// <summary>The faults of one run, drawn from the seed, or given for a sweep.</summary>
public sealed record FaultPlan(IReadOnlyList<Fault> Faults)
{
    /// <summary>Times with a meaning: the detection limit, a heartbeat, the compare timeout. A fault often hits just
    /// around them.</summary>
    private static readonly long[] Edges = [320_000, 50_000, 150_000, 250_000, 1_000_000];

    public static FaultPlan Draw(SeededRandom random, SwarmOptions options)
    {
        List<Fault> faults = [];
        long at = random.Between(300_000, 1_500_000);
        for (int i = 0; i < options.Faults && at < options.FaultPhaseMicros; i++)
        {
            FaultKind kind = options.FaultKinds[random.Below(options.FaultKinds.Count)];
            Place target = (Place)random.Below(options.Hosts);
            faults.Add(new Fault(at, kind, target, random.LogBetween(5_000, 3_000_000)));
            at += random.Chance(500)
                ? Edges[random.Below(Edges.Length)] + random.Between(-300, 300)
                : random.LogBetween(1_000, 3_000_000);
        }

        return new FaultPlan(faults);
    }
}
