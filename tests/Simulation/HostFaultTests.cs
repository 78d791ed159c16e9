using Colo.Actors.Failover;

namespace Colo.Simulation;

/// <summary>The faults that last or that lie in wait: slow hosts, clogged links, lost disks, copies that
/// break.</summary>
public sealed class HostFaultTests
{
    private static readonly SwarmOptions Busy = CrashSweep.Options with { Faults = 5, FaultPhaseMicros = 8_000_000 };

    /// <summary>L2, in worlds in which it applies from the beginning to the end.</summary>
    [Fact]
    public void Delays_below_the_detection_threshold_change_no_term()
    {
        long checkedPairs = 0;
        List<SeedResult> failures = [];
        FaultKind[] kinds = [FaultKind.SlowHost, FaultKind.SlowHost, FaultKind.Slow, FaultKind.DiskSlow];
        for (ulong seed = 1; seed <= 30; seed++)
        {
            SeedResult result = SimulationRunner.RunSeed(
                seed, Mutant.None, Busy with { FaultKinds = kinds }, null, out SimWorld world);
            checkedPairs += world.Oracle.Checked.GetValueOrDefault("L2");
            failures.AddRange(result.Passed ? [] : [result]);
        }

        Assert.True(failures.Count == 0, string.Join("\n", failures));
        Assert.True(checkedPairs > 500, $"L2 applied for only {checkedPairs} times 100 ms");
    }

    /// <summary>The disk of the primary is lost, and the secondary, which had everything, dies before it has taken
    /// over: no host may boot the guest, and none does. The beginning of seed 196.</summary>
    [Theory]
    [InlineData(FaultKind.KillProcess)]
    [InlineData(FaultKind.PowerFail)]
    public void A_host_whose_disk_was_lost_boots_nothing(FaultKind afterwards)
    {
        FaultPlan plan = new(
        [
            new Fault(2_000_000, FaultKind.DiskLost, Place.A, 400_000),
            new Fault(2_000_030, afterwards, Place.B, 600_000),
        ]);
        SeedResult result = SimulationRunner.RunSeed(1, Mutant.None, Busy, plan, out SimWorld world);
        Assert.True(result.Passed, result.ToString());
        Assert.True(world.HostFaults.LeftNothing, world.Describe());
        Assert.All(world.Hosts, host => Assert.Equal(FailoverState.Parked, host.Vm!.Protocol.Failover.State));
    }

    [Theory]
    [InlineData(Place.A)]
    [InlineData(Place.B)]
    public void A_lost_disk_is_filled_anew_before_its_host_counts(Place target)
    {
        FaultPlan plan = new([new Fault(2_000_000, FaultKind.DiskLost, target, 400_000)]);
        SeedResult result = SimulationRunner.RunSeed(1, Mutant.None, Busy, plan, out SimWorld world);
        Assert.True(result.Passed, result.ToString());
        Assert.True(world.IsWell(), world.Describe());
        Assert.False(world.Host(target).Disk.IsLost);
    }

    /// <summary>Of every kind, in the seeds of the suite; an injector that never strikes proves nothing.</summary>
    [Fact]
    public void Each_of_these_faults_strikes()
    {
        FaultHits hits = new();
        FaultKind[] kinds =
        [
            FaultKind.SlowHost, FaultKind.Clog, FaultKind.SwizzleClog, FaultKind.DiskLost, FaultKind.CopyBreaks,
            FaultKind.CopyBreaks, FaultKind.KillProcess,
        ];
        for (ulong seed = 1; seed <= 60; seed++)
        {
            SeedResult result = SimulationRunner.RunSeed(
                seed, Mutant.None, Busy with { FaultKinds = kinds }, null, out SimWorld world);
            Assert.True(result.Passed, result.ToString());
            hits.AddWorld(world.Hits);
        }

        string[] expected =
        [
            "SlowHost below 10", "SlowHost 10 to 100", "Clog between hosts", "Clog to Edge", "Clog to Witness",
            "SwizzleClog of 3 links", "DiskLost of the primary", "DiskLost of the secondary",
            "CopyBreaks: source, CopyingDisk", "CopyBreaks: source, CopyingMemory",
            "CopyBreaks: target, CopyingDisk", "CopyBreaks: target, CopyingMemory",
            "CopyBreaks: both, CopyingDisk", "CopyBreaks: both, CopyingMemory",
        ];
        Assert.All(expected, name => Assert.True(hits.Times.ContainsKey(name), $"{name} never struck"));
    }
}
