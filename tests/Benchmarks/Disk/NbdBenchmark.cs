using System.Diagnostics;
using System.Text.Json;
using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;

namespace Colo.Benchmarks.Disk;

/// <summary>fio's nbd engine, nbdcopy and our own client against our server and against qemu-nbd, over unix
/// sockets.</summary>
internal static class NbdBenchmark
{
    private const int FileSize = 256 << 20;

    public static void Run(Report report, string folder)
    {
        var file = Path.Combine(folder, "nbd.raw");
        File.WriteAllBytes(file, RandomContent());
        var oursAt = Path.Combine(folder, "ours");
        var theirsAt = Path.Combine(folder, "theirs");
        using var ours = StartOurs(oursAt, file);
        using var theirs = Start("qemu-nbd", "-k", theirsAt, "-f", "raw", "-e", "16", "-t", "--cache=writeback", file);
        try
        {
            var oursUri = $"nbd+unix:///?socket={oursAt}";
            var theirsUri = $"nbd+unix:///?socket={theirsAt}";
            WaitFor(oursUri);
            WaitFor(theirsUri);
            foreach (var (name, mode, size, depth) in new[]
            {
                ("sequential read 256 KiB", "read", "256k", 1), ("sequential read 256 KiB", "read", "256k", 32),
                ("sequential write 256 KiB", "write", "256k", 1), ("sequential write 256 KiB", "write", "256k", 32),
                ("random read 4 KiB", "randread", "4k", 1), ("random read 4 KiB", "randread", "4k", 32),
                ("random write 4 KiB", "randwrite", "4k", 1), ("random write 4 KiB", "randwrite", "4k", 32),
            })
            {
                DiskSuite.Compare(
                    report, $"nbd, fio, {name}, depth {depth}", "req/s",
                    () => Fio(oursUri, mode, size, depth), () => Fio(theirsUri, mode, size, depth), rounds: 5, target: 1);
            }

            DiskSuite.Compare(
                report, "nbd, nbdcopy to null", "MB/s", () => Copy(oursUri), () => Copy(theirsUri), rounds: 5, target: 1);
            foreach (var depth in new[] { 1, 32 })
            {
                using var toOurs = NbdClient.Open(oursUri);
                using var toTheirs = NbdClient.Open(theirsUri);
                DiskSuite.Compare(
                    report, $"nbd, our client, random read 4 KiB, depth {depth}", "req/s",
                    () => Client(toOurs, depth), () => Client(toTheirs, depth), rounds: 5, target: 1);
            }
        }
        finally
        {
            Stop(ours);
            Stop(theirs);
        }
    }

    private static double Fio(string uri, string mode, string size, int depth)
    {
        var output = Output(
            "fio", "--name=bench", "--ioengine=nbd", $"--uri={uri}", $"--rw={mode}", $"--bs={size}", $"--size={FileSize}",
            $"--iodepth={depth}", "--runtime=1", "--time_based", "--randrepeat=1", "--norandommap", "--output-format=json");
        using var json = JsonDocument.Parse(output[output.IndexOf('{')..]);
        var job = json.RootElement.GetProperty("jobs")[0];
        return job.GetProperty(mode.EndsWith("read", StringComparison.Ordinal) ? "read" : "write").GetProperty("iops").GetDouble();
    }

    private static double Copy(string uri)
    {
        var start = Stopwatch.GetTimestamp();
        Output("nbdcopy", uri, "null:");
        return FileSize / 1e6 / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Client(NbdClient client, int depth)
    {
        const int requests = 20_000;
        var start = Stopwatch.GetTimestamp();
        Task.WaitAll(Enumerable.Range(0, depth).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            var data = new byte[4096];
            for (var i = 0; i < requests / depth; i++)
            {
                if (await client.ReadAsync(random.Next(FileSize / 4096) * 4096L, data) != BlockStatus.Ok)
                {
                    throw new IOException($"a read of the benchmark failed: {client.LossReason}");
                }
            }
        })).ToArray());
        return requests / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static byte[] RandomContent()
    {
        var data = new byte[FileSize];
        new Random(1).NextBytes(data);
        return data;
    }

    private static Process StartOurs(string socket, string file)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(typeof(NbdBenchmark).Assembly.Location);
        }

        start.ArgumentList.Add("disk");
        start.Environment[DiskSuite.ServeVariable] = $"{socket}\n{file}";
        return Process.Start(start)!;
    }

    private static Process Start(string tool, params string[] arguments) =>
        Process.Start(new ProcessStartInfo(tool, arguments))
        ?? throw new IOException($"{tool} does not start: install qemu-utils");

    private static string Output(string tool, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new IOException($"{tool} ended with {process.ExitCode}: {output}");
    }

    private static void WaitFor(string uri)
    {
        using var client = NbdClient.Open(uri, new NbdClientOptions
        {
            OpenTimeout = TimeSpan.FromSeconds(30), RetryInterval = TimeSpan.FromMilliseconds(50),
        });
    }

    private static void Stop(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill();
            process.WaitForExit();
        }
    }
}
