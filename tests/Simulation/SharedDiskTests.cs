namespace Colo.Simulation;

/// <summary>The same worlds, faults and oracle, with one disk that all hosts open.</summary>
public sealed class SharedDiskTests
{
    [Fact]
    public void Fixed_seeds_hold_every_invariant_on_one_disk()
    {
        List<string> failures = [];
        for (ulong seed = 1; seed <= 150; seed++)
        {
            SeedResult result = SimulationRunner.RunSeed(seed, options: SimulationRunner.OnSharedDisk(seed));
            if (!result.Passed)
            {
                failures.Add(result.ToString());
            }
        }

        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }

    [Fact]
    public void A_crash_anywhere_in_the_merge_into_the_one_disk_is_survived()
    {
        SeedResult? failure = Enumerable.Range(1, 8)
            .Select(at => CrashSweep.RunInMerge(3, at * 500, shared: true)).FirstOrDefault(found => found is not null);
        Assert.True(failure is null, failure?.ToString());
    }

    [Theory]
    [InlineData(20_000)]
    [InlineData(150_000)]
    [InlineData(290_000)]
    public void A_crash_of_the_survivor_before_it_touches_the_disk_is_survived(long laterMicros)
    {
        List<SeedResult> failures = [.. Enumerable.Range(1, 20)
            .Select(at => CrashSweep.RunBeforeMerge(3, at * 200, laterMicros)).Where(result => !result.Passed)];
        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }
}
