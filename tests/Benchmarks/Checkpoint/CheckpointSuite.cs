using System.Runtime.InteropServices;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Memory;

namespace Colo.Benchmarks.Checkpoint;

/// <summary>
/// What a checkpoint costs: the guest's pause, the transfer and the flip for growing numbers of dirty pages, next to a
/// plain copy of the same bytes over the same kind of sockets in the same run; and the secondary's extra memory.
/// </summary>
internal static class CheckpointSuite
{
    private const int RamPages = 65536; // 256 MiB

    // A time is cut off at 0.1 us.
    private const double HalfStep = 0.05;

    private static readonly int[] s_dirtyPages = [0, 256, 1024, 4096, 16384];
    private static readonly byte[] s_source = Touched(16384 * GuestRam.PageSize);
    private static readonly byte[] s_target = Touched(16384 * GuestRam.PageSize);

    public static void Run(Report report)
    {
        foreach (var channels in new[] { 1, 4 })
        {
            Checkpoints(report, channels);
        }

        Memory(report, sameQuarter: true);
        Memory(report, sameQuarter: false);
    }

    private static void Checkpoints(Report report, int channels)
    {
        using var pair = new BenchPair(RamPages, channels, new PrimaryCheckpointOptions { DeltaCachePages = 0 });
        using var peer = new PlainCopy(channels, s_source, s_target);
        var pauses = new Dictionary<int, double>();
        WarmUp(pair, peer);
        foreach (var dirty in s_dirtyPages)
        {
            var rounds = dirty >= 4096 ? 25 : 200;
            var reports = new List<CheckpointReport>();
            var applies = new List<double>();
            var copies = new List<double>();
            var processor = new List<double>();
            var copyProcessor = new List<double>();
            for (var round = 0; round < rounds; round++)
            {
                Dirty(pair.Primary.Ram, dirty, round);
                // The guest runs between checkpoints and fills the caches with its own, whatever it has dirtied.
                s_target.AsSpan().Fill((byte)round);
                reports.Add(pair.Run());
                applies.Add(pair.Receiver.LastApplyTime.TotalMicroseconds);
                processor.Add(pair.TransferProcessorTime.TotalMicroseconds);
                if (dirty > 0 && round % 2 == 0)
                {
                    var before = Environment.CpuUsage.TotalTime;
                    copies.Add(peer.Run(dirty * GuestRam.PageSize).TotalMicroseconds);
                    copyProcessor.Add((Environment.CpuUsage.TotalTime - before).TotalMicroseconds);
                }
            }

            var name = $"{channels} channels, {dirty} pages";
            Add(report, $"{name}: pause", "us", reports.Select(r => r.PauseTime.TotalMicroseconds));
            pauses[dirty] = MiddleHalf(reports.Select(r => r.PauseTime.TotalMicroseconds + HalfStep));
            var transfer = Add(
                report, $"{name}: transfer", "us", reports.Select(r => (r.SendTime + r.AcknowledgeTime).TotalMicroseconds));
            Add(report, $"{name}: processor time of the transfer", "us", processor);
            Add(report, $"{name}: apply", "us", applies);
            if (dirty > 0)
            {
                var copy = Add(report, $"{name}: plain copy", "us", copies);
                Add(report, $"{name}: processor time of the plain copy", "us", copyProcessor);
                report.AtLeast($"{name}: transfer speed of plain copy", 0.5, copy / transfer);
            }
        }

        report.AtMost($"{channels} channels: pause at 16384 of 256 pages", 1.5, pauses[16384] / pauses[256]);
    }

    /// <summary>The runtime compiles what is called once a checkpoint only after some hundred of them.</summary>
    private static void WarmUp(BenchPair pair, PlainCopy peer)
    {
        for (var round = 0; round < 25; round++)
        {
            Dirty(pair.Primary.Ram, 16384, round);
            pair.Run();
            peer.Run(16384 * GuestRam.PageSize);
        }

        for (var round = 0; round < 200; round++)
        {
            Dirty(pair.Primary.Ram, 256, round);
            pair.Run();
            peer.Run(256 * GuestRam.PageSize);
        }
    }

    /// <summary>Mean of the values between the quartiles: a pause is a few steps of the clock long, between which a
    /// median jumps.</summary>
    private static double MiddleHalf(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[(sorted.Length / 4)..(sorted.Length - sorted.Length / 4)].Average();
    }

    private static void Memory(Report report, bool sameQuarter)
    {
        var folder = Directory.CreateTempSubdirectory("colo-bench-");
        using var pair = new BenchPair(
            RamPages, 1, new PrimaryCheckpointOptions { DeltaCachePages = 0 }, Path.Combine(folder.FullName, "staged"));
        folder.Delete();
        var page = new byte[GuestRam.PageSize];
        var spilled = 0;
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < RamPages / 4; i++)
            {
                Fill(page, i + round);
                Write(pair.Primary.Ram, i * 2, page);
                Write(pair.Secondary.Ram, i * 2 + (sameQuarter ? 0 : 1), page);
            }

            pair.Run();
            spilled = Math.Max(spilled, pair.SpilledAtCommit);
        }

        var ratio = 1 + (double)pair.Receiver.ExtraMemoryBytesPeak / pair.Secondary.Ram.SizeBytes;
        report.AtMost(
            $"secondary memory of RAM, {(sameQuarter ? "the same" : "another")} quarter dirty on each side", 1.25, ratio);
        // The ratio counts pages of content. A quarter of them is what the guest itself has made us keep.
        var account = 100.0 * pair.Receiver.AccountBytesPeak / pair.Secondary.Ram.SizeBytes;
        report.Add(new Figure("    tables and headers of buffers beside it", "% of RAM", account, account, account));
        report.Add(new Figure("    most pages in the spill file", "pages", spilled, spilled, spilled));
    }

    private static void Write(GuestRam ram, int page, byte[] content) =>
        ram.TryWrite(ram.BaseAddress + (ulong)page * GuestRam.PageSize, content);

    private static void Dirty(GuestRam ram, int pages, int round)
    {
        Span<byte> page = stackalloc byte[GuestRam.PageSize];
        for (var i = 0; i < pages; i++)
        {
            Fill(page, i * 31 + round);
            // Every third page, so that runs are short.
            ram.TryWrite(ram.BaseAddress + (ulong)(i * 3) * GuestRam.PageSize, page);
        }
    }

    private static void Fill(Span<byte> page, int seed)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(page);
        var value = (ulong)seed * 0x9E3779B97F4A7C15 + 1;
        for (var i = 0; i < words.Length; i++)
        {
            value ^= value << 13;
            value ^= value >> 7;
            value ^= value << 17;
            words[i] = value;
        }
    }

    private static byte[] Touched(int length)
    {
        var bytes = new byte[length];
        Array.Fill(bytes, (byte)1);
        return bytes;
    }

    /// <summary>Median, and the 99th percentile in place of the highest round; returns the median.</summary>
    private static double Add(Report report, string name, string unit, IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var median = sorted[sorted.Length / 2];
        report.Add(new Figure(name + " (p50, p99)", unit, median, sorted[0], sorted[(int)(sorted.Length * 0.99)]));
        return median;
    }
}
