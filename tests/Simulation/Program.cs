using System.Diagnostics;
using System.Globalization;

namespace Colo.Simulation;

/// <summary>
/// <c>--seeds N --from S</c> runs seeds, <c>--replay S</c> prints the story of one, <c>--mutant M1</c> puts a bug in. Exit code 1 when a seed failed.
/// </summary>
public static class Program
{
    public static int Main(string[] arguments)
    {
        Mutant mutant = Enum.Parse<Mutant>(Option(arguments, "--mutant") ?? nameof(Mutant.None));
        if (Option(arguments, "--replay") is { } replay)
        {
            return SimulationRunner.Replay(ulong.Parse(replay, CultureInfo.InvariantCulture), Console.Out, mutant).Passed ? 0 : 1;
        }

        ulong from = ulong.Parse(Option(arguments, "--from") ?? "1", CultureInfo.InvariantCulture);
        int count = int.Parse(Option(arguments, "--seeds") ?? "100", CultureInfo.InvariantCulture);
        Stopwatch watch = Stopwatch.StartNew();
        int failed = 0;
        long events = 0;
        for (int i = 0; i < count; i++)
        {
            SeedResult result = SimulationRunner.RunSeed(from + (ulong)i, mutant);
            events += result.Events;
            if (!result.Passed)
            {
                failed++;
                Console.WriteLine(result);
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{count} seeds from {from}: {failed} failed, {events} events in {watch.Elapsed.TotalSeconds:0.0} s."));
        if (failed == 0 && count > 0)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"With no failure in {count} seeds the failure rate per seed is below {300.0 / count:0.###} % (95 %), for these faults and this workload only."));
        }

        return failed == 0 ? 0 : 1;
    }

    private static string? Option(string[] arguments, string name)
    {
        int index = Array.IndexOf(arguments, name);
        return index >= 0 && index + 1 < arguments.Length ? arguments[index + 1] : null;
    }
}
