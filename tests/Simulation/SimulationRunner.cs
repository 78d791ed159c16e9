using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>The outcome of one seed.</summary>
/// <param name="Extra">What the replay command needs besides the seed.</param>
public sealed record SeedResult(
    ulong Seed, ulong Hash, long Events, string? FailedId, string? FailedWhat, string World, string Extra = "")
{
    public bool Passed => FailedId is null;

    public override string ToString() => Passed
        ? $"seed {Seed}: well after {Events} events, trace {Hash:x16}"
        : $"seed {Seed}: {FailedId}: {FailedWhat}\n  {World}\n  replay: ./colo sim --replay {Seed}{Extra}";
}

/// <summary>Runs worlds.</summary>
public static class SimulationRunner
{
    public static SeedResult RunSeed(
        ulong seed, Mutant mutant = Mutant.None, SwarmOptions? options = null, FaultPlan? plan = null) =>
        RunSeed(seed, mutant, options, plan, out _);

    /// <summary>The same, with the world as it was at its end.</summary>
    public static SeedResult RunSeed(
        ulong seed, Mutant mutant, SwarmOptions? options, FaultPlan? plan, out SimWorld world)
    {
        SimWorld run = world = new(seed, mutant, options, plan);
        return Run(run, () => run.Run());
    }

    /// <summary>The world of a seed, with its cores in the real actors.</summary>
    public static SwarmOptions InActors(ulong seed) => OptionsOf(seed) with { InActors = true };

    /// <summary>The world of a seed, with a program in the real machine as its guest.</summary>
    public static SwarmOptions InMachine(ulong seed) => OptionsOf(seed) with { InMachine = true };

    /// <summary>The world of a seed, with one disk for all hosts.</summary>
    public static SwarmOptions OnSharedDisk(ulong seed) => OptionsOf(seed) with { SharedDisk = true };

    /// <summary>The world of a seed, with many faults of some kinds only.</summary>
    public static SwarmOptions WithFaults(ulong seed, IReadOnlyList<FaultKind> kinds) =>
        OptionsOf(seed) with { FaultKinds = kinds, Faults = 8 };

    /// <summary>The kinds of <c>--faults A,B</c>.</summary>
    public static IReadOnlyList<FaultKind> KindsOf(string names) => [.. names.Split(',').Select(Enum.Parse<FaultKind>)];

    /// <summary>What the seed draws.</summary>
    public static SwarmOptions OptionsOf(ulong seed) => SwarmOptions.Draw(new SeededRandom(seed).Stream("options"));

    public static SeedResult Run(SimWorld world, Action run)
    {
        // Without a context of the test runner what is awaited goes on where it completes: on this thread.
        SynchronizationContext? context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            run();
            return new SeedResult(world.Seed, world.Trace.Hash, world.Scheduler.Executed, null, null, "");
        }
        catch (InvariantFailureException failure)
        {
            return Failed(failure.Id, failure.What);
        }
        catch (InvariantViolationException violation)
        {
            return Failed(violation.Id, violation.Message);
        }
        finally
        {
            world.End();
            SynchronizationContext.SetSynchronizationContext(context);
        }

        SeedResult Failed(string id, string what) => new(world.Seed, world.Trace.Hash, world.Scheduler.Executed, id, what,
            $"at {world.Scheduler.Now / 1000} ms, {world.Describe()}, faults: {string.Join(", ", world.Plan.Faults.Select(fault => $"{fault.Kind} {fault.Target} @{fault.At / 1000}"))}",
            (world.Options.InActors ? " --actors" : "") + (world.Options.InMachine ? " --guest riscv" : "")
            + (world.Options.SharedDisk ? " --disk shared" : "")
            + (world.Options.FaultKinds.SequenceEqual(OptionsOf(world.Seed).FaultKinds)
                ? "" : $" --faults {string.Join(',', world.Options.FaultKinds)}"));
    }

    /// <summary>Seeds from <paramref name="seedFrom"/> on; calls back for each failure and returns all of
    /// them.</summary>
    public static IReadOnlyList<SeedResult> Run(ulong seedFrom, int count, Action<SeedResult>? failed = null)
    {
        List<SeedResult> failures = [];
        for (int i = 0; i < count; i++)
        {
            SeedResult result = RunSeed(seedFrom + (ulong)i);
            if (!result.Passed)
            {
                failures.Add(result);
                failed?.Invoke(result);
            }
        }

        return failures;
    }

    /// <summary>Runs one seed with its story: one line a state change, in fixed columns.</summary>
    public static SeedResult Replay(ulong seed, TextWriter output, Mutant mutant = Mutant.None, SwarmOptions? options = null)
    {
        SimWorld world = new(seed, mutant, options, story: true);
        output.WriteLine($"seed {seed} {world.Options}");
        SeedResult result = Run(world, () => world.Run());
        output.WriteLine("       time host     state            term   epoch     held  what");
        foreach (string line in world.Trace.Story)
        {
            output.WriteLine(line);
        }

        output.WriteLine(result);
        output.WriteLine("checks: " + string.Join(", ", world.Oracle.Checked.Select(pair => $"{pair.Key} {pair.Value}")));
        return result;
    }
}
