namespace Colo.Simulation;

/// <summary>
/// No luck involved: a small workload with a fixed seed, and for each n-th event of it a run in which a host dies right
/// after that event.
/// </summary>
public static class CrashSweep
{
    /// <summary>A quiet world with long images, so that most events lie inside a checkpoint.</summary>
    public static SwarmOptions Options { get; } = new()
    {
        Clients = 2,
        RequestsPerClient = 25,
        Pipeline = 3,
        DivergencePerMille = 150,
        CompareTimeoutMicros = 10_000,
        ImagePartMicros = 2_500,
        Faults = 0,
        FaultPhaseMicros = 3_000_000,
    };

    /// <summary>
    /// The primary dies after an event, and the survivor in the midst of the merge of its buffer, after each entry of
    /// it once. The first failure, or null.
    /// </summary>
    public static SeedResult? RunInMerge(ulong seed, int first, Mutant mutant = Mutant.None, bool shared = false)
    {
        bool inMerge = true;
        for (int written = 0; inMerge && written <= SimDisk.Sectors; written++)
        {
            SimWorld world = new(seed, mutant, Options with { SharedDisk = shared }, new FaultPlan([]));
            SimHost survivor = world.Host(Place.B);
            int entries = written;
            inMerge = false;
            SeedResult result = SimulationRunner.Run(world, () => world.Run(first, crashed =>
            {
                crashed.Host(Place.A).Crash(reset: true);
                crashed.Scheduler.RunUntil(
                    crashed.Scheduler.Now + 2_000_000, () => survivor.Disk.Merging && survivor.Disk.Merged == entries);
                inMerge = survivor.Disk.Merging;
                survivor.Crash(reset: false);
                crashed.Scheduler.After(500_000, survivor.Start);
                crashed.Scheduler.After(900_000, crashed.Host(Place.A).Start);
                crashed.Scheduler.RunUntil(crashed.Scheduler.Now + 1_000_000);
            }));
            if (!result.Passed)
            {
                return result with { World = $"crash of B in the merge after A's after event {first}; {result.World}" };
            }
        }

        return null;
    }

    /// <summary>The primary dies after an event, and the survivor so much later, before or in its take-over of a shared
    /// disk.</summary>
    public static SeedResult RunBeforeMerge(ulong seed, int first, long laterMicros)
    {
        SimWorld world = new(seed, Mutant.None, Options with { SharedDisk = true }, new FaultPlan([]));
        return SimulationRunner.Run(world, () => world.Run(first, crashed =>
        {
            crashed.Host(Place.A).Crash(reset: true);
            crashed.Scheduler.RunUntil(crashed.Scheduler.Now + laterMicros);
            crashed.Host(Place.B).Crash(reset: false);
            crashed.Scheduler.After(500_000, crashed.Host(Place.B).Start);
            crashed.Scheduler.After(900_000, crashed.Host(Place.A).Start);
            crashed.Scheduler.RunUntil(crashed.Scheduler.Now + 1_000_000);
        }));
    }

    public static int EventsOf(ulong seed)
    {
        SimWorld world = new(seed, Mutant.None, Options, new FaultPlan([]));
        world.Run();
        return (int)world.Scheduler.Executed;
    }

    /// <summary>The first failure, or null. <paramref name="target"/> dies after every <paramref name="step"/>-th
    /// event.</summary>
    public static SeedResult? Run(ulong seed, Place target, int first, int last, int step, Mutant mutant = Mutant.None, bool power = false)
    {
        for (int at = first; at < last; at += step)
        {
            SimWorld world = new(seed, mutant, Options, new FaultPlan([]));
            int number = at;
            SeedResult result = SimulationRunner.Run(world, () => world.Run(number, crashed =>
            {
                SimHost host = crashed.Host(target);
                host.Crash(reset: !power);
                crashed.Scheduler.After(700_000, host.Start);
                crashed.Scheduler.RunUntil(crashed.Scheduler.Now + 1_000_000);
            }));
            if (!result.Passed)
            {
                return result with { World = $"crash of {target} after event {number}; {result.World}" };
            }
        }

        return null;
    }
}
