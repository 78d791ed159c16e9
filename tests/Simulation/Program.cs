using System.Diagnostics;
using System.Globalization;

namespace Colo.Simulation;

/// <summary>
/// <c>--seeds N --from S</c> runs seeds, <c>--replay S</c> prints the story of one, <c>--mutant M1</c> puts a bug in,
/// <c>--actors</c> runs the cores in the VM's real actors, <c>--guest riscv</c> a program in the real machine,
/// <c>--disk shared</c> on one disk for all hosts, <c>--faults A,B</c> with many faults of these kinds only. Exit code
/// 1 when a seed failed.
/// </summary>
public static class Program
{
    public static int Main(string[] arguments)
    {
        Func<ulong, SwarmOptions> options = Worlds(arguments);
        Mutant mutant = Enum.Parse<Mutant>(Option(arguments, "--mutant") ?? nameof(Mutant.None));
        if (Option(arguments, "--replay") is { } replay)
        {
            return SimulationRunner.Replay(
                ulong.Parse(replay, CultureInfo.InvariantCulture), Console.Out, mutant, options(ulong.Parse(replay, CultureInfo.InvariantCulture))).Passed ? 0 : 1;
        }

        if (Option(arguments, "--hunt") is { } hunted)
        {
            foreach (Mutant each in Enum.GetValues<Mutant>().Where(each => each != Mutant.None && (hunted == "all" || hunted == each.ToString())))
            {
                SeedResult? found = MutantHunt.Hunt(each, 400);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{each,-9} {(found is null ? "SURVIVES" : $"killed by {found.FailedId} (seed {found.Seed}): {found.FailedWhat}")}"));
            }

            return 0;
        }

        if (Option(arguments, "--sweep") is { } step)
        {
            int events = CrashSweep.EventsOf(1);
            foreach (Place place in (Place[])[Place.A, Place.B])
            {
                SeedResult? found = CrashSweep.Run(1, place, 1, events, int.Parse(step, CultureInfo.InvariantCulture));
                Console.WriteLine($"sweep of {place} over {events} events: {found?.ToString() ?? "clean"}");
            }

            return 0;
        }

        ulong from = ulong.Parse(Option(arguments, "--from") ?? "1", CultureInfo.InvariantCulture);
        int count = int.Parse(Option(arguments, "--seeds") ?? "100", CultureInfo.InvariantCulture);
        Stopwatch watch = Stopwatch.StartNew();
        int failed = 0;
        long executed = 0;
        FaultHits hits = new();
        for (int i = 0; i < count; i++)
        {
            SimWorld world = new(from + (ulong)i, mutant, options(from + (ulong)i));
            SeedResult result = SimulationRunner.Run(world, () => world.Run());
            hits.AddWorld(world.Hits);
            executed += result.Events;
            if (!result.Passed)
            {
                failed++;
                Console.WriteLine(result);
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{count} seeds from {from}: {failed} failed, {executed} events in {watch.Elapsed.TotalSeconds:0.0} s."));
        Console.WriteLine("Seeds in which it happened: " + string.Join(
            "; ", hits.Times.Select(hit => string.Create(CultureInfo.InvariantCulture, $"{hit.Key} {hit.Value}"))));
        if (failed == 0 && count > 0)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"With no failure in {count} seeds the failure rate per seed is below {300.0 / count:0.###} % (95 %), for these faults and this workload only."));
        }

        return failed == 0 ? 0 : 1;
    }

    /// <summary>What the arguments make of each seed's world.</summary>
    private static Func<ulong, SwarmOptions> Worlds(string[] arguments)
    {
        bool inMachine = (Option(arguments, "--guest") ?? "model") switch
        {
            "model" => false,
            "riscv" => true,
            string other => throw new ArgumentException($"--guest {other}: expected model or riscv"),
        };
        bool shared = (Option(arguments, "--disk") ?? "replicated") switch
        {
            "replicated" => false,
            "shared" => true,
            string other => throw new ArgumentException($"--disk {other}: expected replicated or shared"),
        };
        bool inActors = arguments.Contains("--actors");
        string? kinds = Option(arguments, "--faults");
        return seed =>
            (kinds is null
                ? SimulationRunner.OptionsOf(seed)
                : SimulationRunner.WithFaults(seed, SimulationRunner.KindsOf(kinds)))
            with { InActors = inActors, InMachine = inMachine, SharedDisk = shared };
    }

    private static string? Option(string[] arguments, string name)
    {
        int index = Array.IndexOf(arguments, name);
        return index >= 0 && index + 1 < arguments.Length ? arguments[index + 1] : null;
    }
}
