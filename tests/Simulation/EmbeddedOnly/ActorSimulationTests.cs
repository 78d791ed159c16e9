namespace Colo.Simulation.EmbeddedOnly;

/// <summary>The same worlds, faults and oracle, with the VM's real actors between the cores and the models.</summary>
public sealed class ActorSimulationTests
{
    [Fact]
    public void Fixed_seeds_hold_every_invariant_in_actors()
    {
        List<string> failures = [];
        for (ulong seed = 1; seed <= 150; seed++)
        {
            SeedResult result = SimulationRunner.RunSeed(seed, options: SimulationRunner.InActors(seed));
            if (!result.Passed)
            {
                failures.Add(result.ToString());
            }
        }

        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }

    // 336: a message of a life before made the supervisor take a lost link for one of that life, and the joiner waited
    // for ever. 20991: a joiner that had won the term and died before it knew did not remember its disk.
    [Theory]
    [InlineData(336)]
    [InlineData(20991)]
    public void Known_seeds_stay_fixed_in_actors(ulong seed)
    {
        SeedResult result = SimulationRunner.RunSeed(seed, options: SimulationRunner.InActors(seed));
        Assert.True(result.Passed, result.ToString());
    }

    [Fact]
    public void The_same_seed_gives_the_same_trace_in_actors()
    {
        for (ulong seed = 1; seed <= 10; seed++)
        {
            SeedResult first = SimulationRunner.RunSeed(seed, options: SimulationRunner.InActors(seed));
            SeedResult second = SimulationRunner.RunSeed(seed, options: SimulationRunner.InActors(seed));
            Assert.Equal(first, second);
        }
    }

    [Fact]
    public void A_bug_in_a_core_is_found_through_the_actors()
    {
        SeedResult result = SimulationRunner.RunSeed(1, Mutant.M20, SimulationRunner.InActors(1));
        Assert.Equal("S12", result.FailedId);
        Assert.EndsWith("./colo sim --replay 1 --actors", result.ToString(), StringComparison.Ordinal);
    }
}
