namespace Colo.Simulation;

public sealed class SimulationTests
{
    [Fact]
    public void Fixed_seeds_hold_every_invariant()
    {
        IReadOnlyList<SeedResult> failures = SimulationRunner.Run(seedFrom: 1, count: 500);
        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }

    [Fact]
    public void Known_seeds_stay_fixed()
    {
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "known-seeds.txt")))
        {
            if (line.Length > 0 && line[0] != '#')
            {
                string[] words = line.Split(' ');
                ulong seed = ulong.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture);
                SwarmOptions options = words[1] == "--faults"
                    ? SimulationRunner.WithFaults(seed, SimulationRunner.KindsOf(words[2]))
                    : SimulationRunner.OptionsOf(seed);
                SeedResult result = SimulationRunner.RunSeed(seed, options: options);
                Assert.True(result.Passed, result.ToString());
            }
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_trace()
    {
        for (ulong seed = 1; seed <= 25; seed++)
        {
            SeedResult first = SimulationRunner.RunSeed(seed);
            SeedResult second = SimulationRunner.RunSeed(seed);
            Assert.Equal(first.Hash, second.Hash);
            Assert.Equal(first.Events, second.Events);
        }
    }

    [Fact]
    public void Two_worlds_in_one_process_do_not_touch_each_other()
    {
        ulong alone = SimulationRunner.RunSeed(7).Hash;
        SimWorld one = new(7);
        SimWorld other = new(8);
        Assert.True(SimulationRunner.Run(other, () => other.Run()).Passed);
        Assert.True(SimulationRunner.Run(one, () => one.Run()).Passed);
        Assert.Equal(alone, one.Trace.Hash);
        Assert.NotEqual(one.Trace.Hash, other.Trace.Hash);
    }

    [Theory]
    [InlineData(Place.A)]
    [InlineData(Place.B)]
    public void A_crash_after_any_event_is_survived(Place target)
    {
        SeedResult? failure = CrashSweep.Run(1, target, 1, CrashSweep.EventsOf(1), step: 20);
        Assert.True(failure is null, failure?.ToString());
    }

    [Theory]
    [InlineData(Place.A)]
    [InlineData(Place.B)]
    public void A_power_failure_after_any_event_is_survived(Place target)
    {
        SeedResult? failure = CrashSweep.Run(2, target, 1, CrashSweep.EventsOf(2), step: 40, power: true);
        Assert.True(failure is null, failure?.ToString());
    }

    [Fact]
    public void A_crash_anywhere_in_the_merge_is_survived()
    {
        SeedResult? failure = Enumerable.Range(1, 8)
            .Select(at => CrashSweep.RunInMerge(3, at * 500)).FirstOrDefault(found => found is not null);
        Assert.True(failure is null, failure?.ToString());
    }

    [Fact]
    public void Every_invariant_of_the_oracle_is_exercised()
    {
        SortedDictionary<string, long> all = new(StringComparer.Ordinal);
        for (ulong seed = 1; seed <= 5; seed++)
        {
            SimWorld world = new(seed);
            Assert.True(SimulationRunner.Run(world, () => world.Run()).Passed);
            foreach ((string id, long count) in world.Oracle.Checked)
            {
                all[id] = all.GetValueOrDefault(id) + count;
            }
        }

        string[] expected =
            ["L3", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13", "S15"];
        foreach (string id in expected)
        {
            Assert.True(all.GetValueOrDefault(id) > 0, $"{id} was never checked");
        }
    }

    /// <summary>A fault that finds nothing to break proves nothing.</summary>
    [Fact]
    public void Faults_of_witness_guest_and_disk_really_hit()
    {
        FaultHits hits = new();
        FaultKind[] kinds =
        [
            FaultKind.WitnessRestarts, FaultKind.WitnessForgets, FaultKind.GuestReboots, FaultKind.GuestEnds,
            FaultKind.PowerCut, FaultKind.KillProcess,
        ];
        for (ulong seed = 1; seed <= 60; seed++)
        {
            SimWorld world = new(seed, options: SimulationRunner.WithFaults(seed, kinds));
            SeedResult result = SimulationRunner.Run(world, () => world.Run());
            Assert.True(result.Passed, result.ToString());
            hits.AddWorld(world.Hits);
        }

        string[] expected =
        [
            "F22 power cut: the guest boots without them", "F22 power cut: writes are lost", "F27 guest: powers off",
            "F27 guest: reboots", "F27 guest: started again", "F34 witness: all is lost", "F34 witness: dies in a write",
            "F34 witness: the last write is lost", "F34 witness: the records are put back",
        ];
        Assert.All(expected, what => Assert.True(hits.Times.GetValueOrDefault(what) >= 5, $"{what}: too seldom"));
    }

    [Fact]
    public void A_failure_prints_how_to_replay_it()
    {
        SeedResult result = SimulationRunner.RunSeed(1, Mutant.M20);
        Assert.Equal("S12", result.FailedId);
        Assert.Contains("./colo sim --replay 1", result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_replay_tells_the_story()
    {
        StringWriter story = new();
        SimulationRunner.Replay(3, story);
        Assert.Contains("6007 PairEstablished", story.ToString(), StringComparison.Ordinal);
    }
}
