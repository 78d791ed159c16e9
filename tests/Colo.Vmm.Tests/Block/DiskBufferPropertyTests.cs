namespace Colo.Vmm.Tests.Block;

/// <summary>Random histories of a disk buffer against a model made of whole-disk copies.</summary>
public sealed class DiskBufferPropertyTests
{
    [Fact]
    public void After_any_history_and_one_failover_the_disk_equals_the_model()
    {
        ForSeeds(1, 250, seed => new DiskBufferWorld(seed).RunToFailover());
    }

    [Fact]
    public void A_power_cut_anywhere_in_the_merge_leaves_a_disk_that_recovers_to_the_model()
    {
        ForSeeds(10_001, 250, seed => new DiskBufferWorld(seed).RunToCrashInMerge());
    }

    [Fact]
    public void A_power_cut_while_the_pair_runs_leaves_a_disk_that_is_known_to_be_stale()
    {
        ForSeeds(20_001, 60, seed => new DiskBufferWorld(seed).RunToCrashWhileRunning());
    }

    [Fact]
    public void Guest_writes_during_a_merge_survive_it_and_flushed_ones_survive_a_power_cut()
    {
        ForSeeds(30_001, 250, seed => new DiskBufferWorld(seed).RunToWritesInMerge());
    }

    private static void ForSeeds(int first, int count, Action<int> run)
    {
        for (var seed = first; seed < first + count; seed++)
        {
            try
            {
                run(seed);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"seed {seed}: {error.Message}", error);
            }
        }
    }
}
