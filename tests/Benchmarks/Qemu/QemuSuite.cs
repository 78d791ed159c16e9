using System.Diagnostics;
using System.Globalization;
using Colo.Benchmarks.Machine;

namespace Colo.Benchmarks.Qemu;

/// <summary>
/// QEMU's COLO under Colo next to the embedded machine, in one run: guests of the same memory that write the same
/// number of pages a hundred times a second (guests/x86/dirty.asm, guests/bench/dirty.S), in mode periodic with the
/// same period, so that every checkpoint has that number of dirty pages. Then the primary is killed, again and again.
/// </summary>
internal static class QemuSuite
{
    private const int MemoryMebibytes = 64;
    private const int PeriodMilliseconds = 200;
    private const int Checkpoints = 100;
    private const int Losses = 5;
    private const double GapTargetMilliseconds = 1000;
    private static readonly int[] s_dirtyPages = [256, 4096];
    private static readonly TimeSpan s_hang = TimeSpan.FromMinutes(3);

    public static void Run(Report report)
    {
        foreach (int pages in s_dirtyPages)
        {
            double own = Measure(report, "embedded", pages, EmbeddedGuest(pages), "TookOver", (pair, node) => pair.KillNode(node));
            double qemu = Measure(report, "QEMU", pages, QemuGuest(pages), "runs alone here", (pair, node) => pair.KillQemu(node));
            report.Add(new Figure($"{pages} pages: pause of QEMU's over the embedded machine's", "x", qemu / own, qemu / own, qemu / own));
        }
    }

    /// <returns>Median of the pauses in milliseconds.</returns>
    private static double Measure(
        Report report, string kind, int pages, Func<int, string, string> vm, string owns, Action<PairProcesses, int> kill)
    {
        using var pair = new PairProcesses(BenchFiles.SourceRoot(), vm);
        var gap = new GapWatch(owns);
        pair.Printed = gap.NodePrinted;
        pair.Start(0);
        pair.Start(1);
        (List<double> pauses, List<double> durations) = Watch(pair, pair.AwaitPair());
        string name = $"{kind}, {pages} pages";
        double median = AddTimes(report, $"{name}: pause", pauses);
        AddTimes(report, $"{name}: checkpoint", durations);
        if (pages == s_dirtyPages[0])
        {
            List<double> gaps = Lose(pair, gap, kill, restart: kind == "embedded");
            AddTimes(report, $"{name}: failover gap", gaps);
            if (kind == "QEMU")
            {
                report.AtMost("QEMU: worst failover gap of a second", 1.0, gaps.Max() / GapTargetMilliseconds);
            }
        }

        return median;
    }

    /// <summary>Looks until there were enough checkpoints; the last look at each is kept, because the duration is known
    /// after the pause.</summary>
    private static (List<double> Pauses, List<double> Durations) Watch(PairProcesses pair, int node)
    {
        var seen = new Dictionary<long, PairView>();
        var clock = Stopwatch.StartNew();
        while (seen.Count < Checkpoints + 12)
        {
            Task line = pair.NextLine;
            if (pair.Look(node) is { } view)
            {
                seen[view.Epoch] = view;
            }

            if (clock.Elapsed > s_hang)
            {
                throw new TimeoutException($"only {seen.Count} checkpoints within {s_hang.TotalMinutes} minutes");
            }

            line.Wait(s_hang);
        }

        // Not the first ones, which warm up, nor the last, which may not be over.
        PairView[] counted = [.. seen.OrderBy(entry => entry.Key).Skip(10).SkipLast(1).Select(entry => entry.Value)];
        return ([.. counted.Select(view => view.Pause.TotalMilliseconds)], [.. counted.Select(view => view.Checkpoint.TotalMilliseconds)]);
    }

    private static List<double> Lose(PairProcesses pair, GapWatch gap, Action<PairProcesses, int> kill, bool restart)
    {
        var gaps = new List<double>();
        for (int loss = 0; loss < Losses; loss++)
        {
            int primary = pair.AwaitPair();
            int survivor = 1 - primary;
            gap.Begin(survivor);
            pair.FollowConsole(survivor, output => gap.GuestPrinted(survivor, output));
            AwaitCheckpoints(pair, primary, 3);
            gap.Strike();
            kill(pair, primary);
            try
            {
                gaps.Add(gap.Wait(s_hang).TotalMilliseconds);
            }
            catch (TimeoutException)
            {
                throw new TimeoutException($"node {survivor} did not go on after loss {loss + 1}; the last of it:\n{pair.LastLines}");
            }

            if (restart)
            {
                pair.Start(primary);
            }
        }

        return gaps;
    }

    private static void AwaitCheckpoints(PairProcesses pair, int node, int count)
    {
        long? first = null;
        while (true)
        {
            Task line = pair.NextLine;
            if (pair.Look(node) is { } view && view.Epoch - (first ??= view.Epoch) >= count)
            {
                return;
            }

            line.Wait(s_hang);
        }
    }

    private static double AddTimes(Report report, string name, List<double> milliseconds)
    {
        double[] sorted = [.. milliseconds.Order()];
        double p99 = sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * 0.99))];
        report.Add(new Figure($"{name}, median", "us", Microseconds(sorted[sorted.Length / 2]), Microseconds(sorted[0]), Microseconds(sorted[^1])));
        report.Add(new Figure($"{name}, p99", "us", Microseconds(p99), Microseconds(sorted[0]), Microseconds(sorted[^1])));
        return sorted[sorted.Length / 2];
    }

    private static double Microseconds(double milliseconds) => milliseconds * 1000;

    private static Func<int, string, string> EmbeddedGuest(int pages)
    {
        string elf = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"colo-dirty-{pages}.elf"));
        string guests = Path.Combine(BenchFiles.SourceRoot(), "guests");
        Compile("riscv64-linux-gnu-gcc",
            $"-DPAGES={pages}", "-march=rv64gc", "-mabi=lp64d", "-nostdlib", "-static", "-ffreestanding", "-mcmodel=medany", "-Wl,--build-id=none",
            "-T", Path.Combine(guests, "bench", "link.ld"), Path.Combine(guests, "bench", "dirty.S"), "-o", elf);
        return (_, _) => $"kernel = \"{elf}\", memory = {MemoryMebibytes}MiB, checkpoint {{ periodic = {PeriodMilliseconds}ms }}";
    }

    private static Func<int, string, string> QemuGuest(int pages)
    {
        string sector = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"colo-dirty-{pages}.bin"));
        Compile("nasm", "-f", "bin", $"-DPAGES={pages}", "-o", sector, Path.Combine(BenchFiles.SourceRoot(), "guests", "x86", "dirty.asm"));
        return (node, folder) =>
        {
            string image = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{node}.img"));
            File.Copy(sector, image);
            using (FileStream file = new(image, FileMode.Open))
            {
                file.SetLength(1 << 20);
            }

            return $"backend = qemu, memory = {MemoryMebibytes}MiB, checkpoint {{ periodic = {PeriodMilliseconds}ms }}, qemu {{ cpu = qemu64 }}, "
                + $"disks = [{{ path = \"{image}\", device = ide-hd }}]";
        };
    }

    private static void Compile(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments))!;
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} failed");
        }
    }
}
