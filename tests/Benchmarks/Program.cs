using Colo.Benchmarks.Actor;
using Colo.Benchmarks.Checkpoint;
using Colo.Benchmarks.Disk;
using Colo.Benchmarks.Machine;
using Colo.Benchmarks.Packets;
using Colo.Benchmarks.Qemu;
using Colo.Benchmarks.Remote;

namespace Colo.Benchmarks;

/// <summary><c>bench SUITE [--json FILE]</c>: runs one suite of plain measuring loops and prints its figures.</summary>
internal static class Program
{
    private static readonly Dictionary<string, Action<Report>> Suites = new()
    {
        ["actor"] = ActorSuite.Run,
        ["remote"] = RemoteSuite.Run,
        ["packets"] = PacketsSuite.Run,
        ["machine"] = MachineSuite.Run,
        ["disk"] = DiskSuite.Run,
        ["checkpoint"] = CheckpointSuite.Run,
        ["qemu"] = QemuSuite.Run,
    };

    public static int Main(string[] args)
    {
        if (args is [OwnCompareProcess.Verb, var directory])
        {
            return OwnCompareProcess.Serve(directory);
        }

        if (args.Length == 0 || !Suites.TryGetValue(args[0], out var suite))
        {
            Console.Error.WriteLine(
                $"bench: expected one of the suites {string.Join(", ", Suites.Keys)} [--json FILE], got '{string.Join(' ', args)}'");
            return 2;
        }

        var json = Array.IndexOf(args, "--json");
        if (json >= 0 && json + 1 >= args.Length)
        {
            Console.Error.WriteLine("bench: --json needs a file name");
            return 2;
        }

        var report = new Report(args[0]);
        suite(report);
        report.Summarize();
        if (json >= 0)
        {
            report.WriteJson(args[json + 1]);
        }

        return 0;
    }
}
