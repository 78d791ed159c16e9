using System.Net.Sockets;
using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;

namespace Colo.Benchmarks.Disk;

/// <summary>
/// NBD against qemu-nbd on the same file with the same clients, and the secondary's write path against the bare
/// file. Each pair is measured in turns, so that both see the same machine, and compared as a ratio.
/// </summary>
internal static class DiskSuite
{
    /// <summary>Set in the child that serves: socket and file, parted by a line end.</summary>
    public const string ServeVariable = "COLO_BENCH_NBD_SERVE";

    public static void Run(Report report)
    {
        if (Environment.GetEnvironmentVariable(ServeVariable) is { } serve)
        {
            Serve(serve.Split('\n'));
            return;
        }

        var folder = Directory.CreateTempSubdirectory("colo-bench-").FullName;
        try
        {
            BufferBenchmark.Run(report, folder);
            NbdBenchmark.Run(report, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Runs both in turns; the figure is the median of the quotients, each of neighbours in time.</summary>
    public static void Compare(Report report, string name, string unit, Func<double> ours, Func<double> theirs, int rounds, double target)
    {
        _ = ours();
        _ = theirs();
        var first = new double[rounds];
        var second = new double[rounds];
        var ratios = new double[rounds];
        for (var i = 0; i < rounds; i++)
        {
            first[i] = ours();
            second[i] = theirs();
            ratios[i] = first[i] / second[i];
        }

        Add(report, name, unit, first);
        Add(report, name + ", peer", unit, second);
        report.AtLeast(name + ", ratio", target, ratios);
    }

    private static void Add(Report report, string name, string unit, double[] values)
    {
        Array.Sort(values);
        report.Add(new Figure(name, unit, values[values.Length / 2], values[0], values[^1]));
    }

    private static void Serve(string[] places)
    {
        using var device = new RawFileDevice(places[1]);
        using var server = new NbdServer();
        server.Add(new NbdExport("", device));
        server.Listen(new UnixDomainSocketEndPoint(places[0]));

        // The parent closes our input when it has measured enough.
        while (Console.In.Read() >= 0)
        {
        }
    }
}
