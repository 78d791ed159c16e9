namespace Colo.Simulation;

/// <summary>For each mutant: where to look for it, with how many tries.</summary>
public static class MutantHunt
{
    private static readonly SwarmOptions Base = CrashSweep.Options with { FaultPhaseMicros = 8_000_000, RequestsPerClient = 60, Faults = 5 };

    /// <summary>The first failure that the mutant causes, or null when it survives.</summary>
    public static SeedResult? Hunt(Mutant mutant, int seeds)
    {
        if (mutant is Mutant.M9 or Mutant.M11)
        {
            for (ulong seed = 1; seed <= 4; seed++)
            {
                SeedResult? found = CrashSweep.Run(seed, Place.A, 400, 4_000, 7, mutant);
                if (found is not null)
                {
                    return found;
                }
            }

            return null;
        }

        if (mutant == Mutant.M10)
        {
            return Enumerable.Range(1, 20)
                .Select(at => CrashSweep.RunInMerge(1, at * 200, mutant)).FirstOrDefault(found => found is not null);
        }

        for (ulong seed = 1; seed <= (ulong)seeds; seed++)
        {
            SwarmOptions? options = OptionsFor(mutant);
            SeedResult result = SimulationRunner.RunSeed(seed, mutant, options);
            if (!result.Passed)
            {
                return result;
            }
        }

        return null;
    }

    private static SwarmOptions? OptionsFor(Mutant mutant) => mutant switch
    {
        Mutant.M5 => Base with { FaultKinds = [FaultKind.KillProcess, FaultKind.MachineFails, FaultKind.Replay, FaultKind.Replay, FaultKind.Switchover] },
        Mutant.M6 => Base with
        {
            ArbiterLossPerMille = 200,
            FaultKinds = [FaultKind.CutHosts, FaultKind.HeartbeatsLost, FaultKind.WitnessCut],
        },
        Mutant.M19 => Base with
        {
            Mode = Colo.Actors.Checkpoint.ReplicationMode.Periodic,
            ArbiterLossPerMille = 400,
            FaultKinds = [FaultKind.OperatorFailover, FaultKind.HeartbeatsLost],
        },
        Mutant.M23 => Base with
        {
            FaultKinds =
            [
                FaultKind.WitnessRestarts, FaultKind.WitnessRestarts, FaultKind.CutHosts, FaultKind.OperatorFailover,
            ],
        },
        Mutant.EarlyFlush => Base with { FaultKinds = [FaultKind.PowerCut] },
        Mutant.EndToldOnce => Base with
        {
            FaultKinds = [FaultKind.GuestEnds, FaultKind.CutHosts, FaultKind.WitnessDown],
        },
        Mutant.Untagged => Base with { Faults = 0, DivergencePerMille = 300 },
        Mutant.M22Page or Mutant.M22Csr or Mutant.M22Device => Base with { Faults = 0, InMachine = true },
        Mutant.NoLease => Base with { SharedDisk = true, FaultKinds = [FaultKind.Freeze, FaultKind.CutHosts] },
        Mutant.NoOriginals => Base with { Faults = 0, SharedDisk = true },
        Mutant.ReadThrough => Base with
        {
            Faults = 0, DivergencePerMille = 150, Mode = Colo.Actors.Checkpoint.ReplicationMode.Colo,
        },
        Mutant.M26 => Base with { FaultKinds = [FaultKind.Freeze] },
        Mutant.KeptSession => Base with { Faults = 1, FaultKinds = [FaultKind.DiskLost] },
        Mutant.KeptTerm => Base with { FaultKinds = [FaultKind.DiskLost, FaultKind.DiskLost, FaultKind.KillProcess] },
        Mutant.M17 => Base with { Faults = 0, DivergencePerMille = 200, Mode = Colo.Actors.Checkpoint.ReplicationMode.Colo },
        _ => null,
    };
}
