using System.Diagnostics;
using Colo.Vmm.Block;

namespace Colo.Benchmarks.Disk;

/// <summary>The primary's writes on the secondary: old sectors kept first, a tenth of the writes to sectors kept
/// already.</summary>
internal static class BufferBenchmark
{
    private const int FileSize = 192 << 20;
    private const int Volume = 64 << 20;

    public static void Run(Report report, string folder)
    {
        var path = Path.Combine(folder, "secondary.raw");
        Fill(path);
        using var raw = new OsFile(path);
        using var buffer = new DiskBuffer(
            new OsFile(path), new OsFile(Path.Combine(folder, "buffer"), FileMode.CreateNew), new DiskBufferOptions());
        if (buffer.Start(1, 1) != BlockStatus.Ok)
        {
            throw new IOException("the disk buffer does not start");
        }

        foreach (var size in new[] { 4 << 10, 64 << 10, 1 << 20 })
        {
            var data = new byte[size];
            new Random(1).NextBytes(data);
            var offsets = Offsets(size);
            DiskSuite.Compare(
                report,
                $"disk buffer, {size >> 10} KiB writes, 10 % rewritten",
                "MB/s",
                () => Buffered(buffer, offsets, data),
                () => Raw(raw, offsets, data),
                rounds: 7,
                target: 0.5);
        }
    }

    private static double Buffered(DiskBuffer buffer, long[] offsets, byte[] data)
    {
        var epoch = buffer.OpenEpoch;
        var start = Stopwatch.GetTimestamp();
        foreach (var offset in offsets)
        {
            Require(buffer.PrimaryWrite(epoch, offset, data));
        }

        var time = Stopwatch.GetElapsedTime(start);
        Require(buffer.Barrier(epoch + 1));
        Require(buffer.Checkpoint(epoch + 1));
        return (double)offsets.Length * data.Length / 1e6 / time.TotalSeconds;
    }

    private static double Raw(OsFile file, long[] offsets, byte[] data)
    {
        var start = Stopwatch.GetTimestamp();
        foreach (var offset in offsets)
        {
            Require(file.Write(offset, data));
        }

        return (double)offsets.Length * data.Length / 1e6 / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Distinct places in random order; every tenth write goes to a place of an earlier one.</summary>
    private static long[] Offsets(int size)
    {
        var random = new Random(2);
        var places = Enumerable.Range(0, FileSize / size).ToArray();
        random.Shuffle(places);
        var offsets = new long[Volume / size];
        var fresh = 0;
        for (var i = 0; i < offsets.Length; i++)
        {
            offsets[i] = i % 10 == 9 ? offsets[random.Next(i)] : (long)places[fresh++] * size;
        }

        return offsets;
    }

    private static void Fill(string path)
    {
        var data = new byte[1 << 20];
        new Random(3).NextBytes(data);
        using var file = File.Create(path);
        for (var at = 0; at < FileSize; at += data.Length)
        {
            file.Write(data);
        }

        file.Flush(flushToDisk: true);
    }

    private static void Require(BlockStatus status)
    {
        if (status != BlockStatus.Ok)
        {
            throw new IOException($"a request of the benchmark failed: {status}");
        }
    }
}
