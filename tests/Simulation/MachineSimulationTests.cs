namespace Colo.Simulation;

/// <summary>The same worlds, faults and oracle, with a program in the real machine as the guest.</summary>
public sealed class MachineSimulationTests
{
    [Fact]
    public void Fixed_seeds_hold_every_invariant_in_the_machine()
    {
        List<string> failures = [];
        for (ulong seed = 1; seed <= 40; seed++)
        {
            SeedResult result = SimulationRunner.RunSeed(seed, options: SimulationRunner.InMachine(seed));
            if (!result.Passed)
            {
                failures.Add(result.ToString());
            }
        }

        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }

    [Fact]
    public void The_same_seed_gives_the_same_trace_in_the_machine()
    {
        for (ulong seed = 1; seed <= 4; seed++)
        {
            SeedResult first = SimulationRunner.RunSeed(seed, options: SimulationRunner.InMachine(seed));
            SeedResult second = SimulationRunner.RunSeed(seed, options: SimulationRunner.InMachine(seed));
            Assert.Equal(first, second);
        }
    }

    [Fact]
    public void A_failure_in_the_machine_prints_how_to_replay_it()
    {
        SeedResult result = SimulationRunner.RunSeed(1, Mutant.M20, SimulationRunner.InMachine(1));
        Assert.Equal("S12", result.FailedId);
        Assert.EndsWith("./colo sim --replay 1 --guest riscv", result.ToString(), StringComparison.Ordinal);
    }
}
