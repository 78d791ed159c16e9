using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Colo.Actors.Protocol;
using Spectre.Console;

namespace Colo.Host.Demo;

/// <summary>
/// Measures what protection costs: the same guest unprotected, in mode colo and in mode periodic, one after the other
/// in one run; then how long clients stand still when the primary is lost.
/// </summary>
internal sealed partial class HaBench : IDisposable
{
    /// <summary>What can be measured apart.</summary>
    public static readonly string[] Parts = ["speed", "kill", "cable"];

    private const long Endless = 1L << 40;
    private const int WarmRoundsMax = 8;
    private const double WarmGain = 1.05;
    private static readonly TimeSpan StepLimit = TimeSpan.FromMinutes(5);
    private static readonly JsonSerializerOptions Indented = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly TimeSpan duration;
    private readonly int faults;
    private readonly string[] only;
    private readonly string? jsonPath;
    private readonly string folder;
    private readonly bool keeps;
    private readonly NetworkLab lab = NetworkLab.Create("node-a", "node-b");
    private readonly List<ModeFigures> modes = [];
    private readonly List<GapFigures> gaps = [];
    private LabCluster? cluster;

    /// <param name="seconds">Time for each measurement.</param>
    /// <param name="faults">Losses of the primary of each kind.</param>
    /// <param name="only">Some of <see cref="Parts"/>.</param>
    /// <param name="jsonPath">Where the report goes, or null.</param>
    /// <param name="keepFolder">Folder for logs that stays, or null.</param>
    public HaBench(int seconds, int faults, string[] only, string? jsonPath, string? keepFolder)
    {
        duration = TimeSpan.FromSeconds(seconds);
        this.faults = faults;
        this.only = only;
        this.jsonPath = jsonPath;
        keeps = keepFolder is not null;
        folder = keepFolder ?? Directory.CreateTempSubdirectory("colo-bench-").FullName;
    }

    public async Task<int> RunAsync()
    {
        if (only.Contains("speed"))
        {
            await MeasureAllAsync().ConfigureAwait(false);
        }

        foreach (string fault in Parts.Where(part => part != "speed" && only.Contains(part) && faults > 0))
        {
            NodeProcess primary = await BeginAsync("colo", TimeSpan.FromMilliseconds(100)).ConfigureAwait(false);
            await LoseAsync(fault, primary).ConfigureAwait(false);
        }

        Conclude();
        return 0;
    }

    public void Dispose()
    {
        cluster?.Dispose();
        if (!keeps)
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task MeasureAllAsync()
    {
        await BeginAsync("colo", TimeSpan.FromMilliseconds(100)).ConfigureAwait(false);
        await MeasureAsync("colo").ConfigureAwait(false);
        await LabCluster.CommandAsync(Primary(), "mode", LabVm.Name, "periodic").ConfigureAwait(false);
        await MeasureAsync("periodic-100").ConfigureAwait(false);
        NodeProcess owner = Primary();
        DateTimeOffset asked = DateTimeOffset.UtcNow;
        await LabCluster.CommandAsync(owner, "unprotect", LabVm.Name, "--yes").ConfigureAwait(false);
        await When(owner, EventCode.WentSolo, asked).ConfigureAwait(false);
        await MeasureAsync("unprotected").ConfigureAwait(false);
        await BeginAsync("periodic", TimeSpan.FromMilliseconds(25)).ConfigureAwait(false);
        await MeasureAsync("periodic-25").ConfigureAwait(false);
    }

    /// <summary>The host that has the first copy now: a busy machine may have changed roles by itself, and a command to
    /// the other is only noted there.</summary>
    private NodeProcess Primary() => cluster!.FindPrimary() ?? cluster.Hosts[0];

    private async Task<NodeProcess> BeginAsync(string mode, TimeSpan period)
    {
        cluster?.Dispose();
        string own = Path.Combine(folder, Guid.NewGuid().ToString("N")[..6]);
        Directory.CreateDirectory(own);
        var vm = new LabVm { Guest = "debian-redis", Mode = mode, Period = period };
        DateTimeOffset began = DateTimeOffset.UtcNow;
        cluster = new LabCluster(lab, own, vm, _ => { });
        cluster.Start();
        Say($"booting a guest in mode {mode}");
        await When(cluster.Hosts[0], EventCode.PairEstablished, began).ConfigureAwait(false);
        await WarmAsync().ConfigureAwait(false);
        return cluster.Hosts[0];
    }

    /// <summary>Each kind of work before it is timed, again and again while that makes it faster: otherwise what is
    /// measured first pays for compiling the guest's code.</summary>
    private async Task WarmAsync()
    {
        double fastest = 0;
        for (int round = 0; round < WarmRoundsMax; round++)
        {
            double http = (await RequestsAsync("requests").ConfigureAwait(false)).PerSecond;
            double redis = (await RequestsAsync("redis").ConfigureAwait(false)).PerSecond;
            if (!only.Contains("speed") || Math.Sqrt(http * redis) < fastest * WarmGain)
            {
                return;
            }

            fastest = Math.Sqrt(http * redis);
        }
    }

    private async Task MeasureAsync(string name)
    {
        Say($"measuring {name}");
        DateTimeOffset began = DateTimeOffset.UtcNow;
        RequestFigures http = await RequestsAsync("requests").ConfigureAwait(false);
        HostTimes before = HostTimes.Of(cluster!.Hosts);
        RequestFigures redis = await RequestsAsync("redis").ConfigureAwait(false);
        HostTimes used = HostTimes.Of(cluster.Hosts) - before;
        double requests = Math.Max(1, redis.PerSecond * duration.TotalSeconds);
        double bulk = await BulkAsync().ConfigureAwait(false);
        double seconds = (DateTimeOffset.UtcNow - began).TotalSeconds;
        List<double> pauses = [.. cluster.Hosts.SelectMany(host => host.Events)
            .Where(printed => printed.Code == (int)EventCode.CheckpointCaptured && printed.Time >= began)
            .Select(printed => double.Parse(Pause().Match(printed.Summary).Groups[1].Value, CultureInfo.InvariantCulture))];
        modes.Add(new ModeFigures(name, http, redis, bulk, pauses.Count / seconds, Median(pauses),
            used.GuestMicroseconds / requests, used.OtherMicroseconds / requests));
        Say($"{name}: http {Text(http.PerSecond)}/s, redis {Text(redis.PerSecond)}/s, bulk {Text(bulk)} MB/s");
    }

    private async Task<RequestFigures> RequestsAsync(string kind)
    {
        using var client = new ClientProcess(kind, NetworkLab.GuestAddress, (long)duration.TotalSeconds, 0);
        await client.Ended.WaitAsync(StepLimit).ConfigureAwait(false);
        ClientReport last = client.Last is { Done: true } report ? report
            : throw new InvalidOperationException($"{kind}: {client.Last?.Error ?? "the client did not end well"}");
        return new RequestFigures(last.Bytes / last.Seconds, last.MedianMs, last.P99Ms);
    }

    private async Task<double> BulkAsync()
    {
        using var client = new ClientProcess("bulk", NetworkLab.GuestAddress, Endless, 0);
        await UntilAsync(() => client.Last is not null, "the download's first bytes").ConfigureAwait(false);
        ClientReport first = client.Last!;
        await Task.Delay(duration).ConfigureAwait(false);
        ClientReport last = client.Last!;
        return last.Error is null ? (last.Bytes - first.Bytes) / 1e3 / Math.Max(1, last.AtMs - first.AtMs)
            : throw new InvalidOperationException($"download: {last.Error}");
    }

    private async Task LoseAsync(string fault, NodeProcess primary)
    {
        Say($"losing the primary {faults} times: {fault}");
        using var client = new ClientProcess("download", NetworkLab.GuestAddress, Endless, 256 << 10);
        await UntilAsync(() => client.Last is not null, "the download's first bytes").ConfigureAwait(false);
        var found = new List<double>();
        for (int round = 0; round < faults; round++)
        {
            await Task.Delay(TimeSpan.FromSeconds(1)).ConfigureAwait(false);
            primary = cluster!.FindPrimary() ?? primary; // a busy machine may have changed roles by itself
            NodeProcess survivor = cluster.Other(primary);
            DateTimeOffset at = DateTimeOffset.UtcNow;
            LabFault.Strike(primary, fault);
            await When(survivor, EventCode.TookOver, at).ConfigureAwait(false);
            await Task.Delay(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
            found.Add(client.LongestGap(at.ToUnixTimeMilliseconds() - 200, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()));
            Say($"{fault} {round + 1}: the download stood {found[^1]:0} ms");
            DateTimeOffset back = DateTimeOffset.UtcNow;
            LabFault.Restore(primary, fault);
            await When(survivor, EventCode.PairEstablished, back).ConfigureAwait(false);
            if (client.Last!.Error is { } error)
            {
                throw new InvalidOperationException($"{fault} {round + 1}: the connection did not survive: {error}");
            }

            primary = survivor;
        }

        gaps.Add(new GapFigures(fault, found.Count, Median(found), found.Max(), found));
    }

    private void Conclude()
    {
        ModeFigures? Of(string name) => modes.Find(mode => mode.Name == name);
        double Share(Func<ModeFigures, double> figure, string peer) =>
            Of("colo") is { } colo && Of(peer) is { } other ? figure(colo) / figure(other) : 0;
        var report = new HaBenchReport(
            modes,
            Share(mode => mode.Http.PerSecond, "unprotected"),
            Share(mode => mode.Redis.PerSecond, "unprotected"),
            Share(mode => mode.BulkMegabytesPerSecond, "unprotected"),
            Share(mode => mode.Redis.PerSecond, "periodic-100"),
            gaps);
        var table = new Table().AddColumns(
            "mode", "http/s", "median", "p99", "redis/s", "median", "p99", "bulk MB/s", "checkpoints/s", "pause",
            "us of guests a redis request", "us of hosts");
        foreach (ModeFigures mode in modes)
        {
            table.AddRow(
                mode.Name, Text(mode.Http.PerSecond), Text(mode.Http.MedianMs), Text(mode.Http.P99Ms), Text(mode.Redis.PerSecond),
                Text(mode.Redis.MedianMs), Text(mode.Redis.P99Ms), Text(mode.BulkMegabytesPerSecond), Text(mode.CheckpointsPerSecond),
                Text(mode.PauseMedianMs), Text(mode.RedisGuestsMicroseconds), Text(mode.RedisHostsMicroseconds));
        }

        AnsiConsole.Write(table);
        Say($"colo of unprotected: http {report.HttpShare:P0}, redis {report.RedisShare:P0}, bulk {report.BulkShare:P0}; "
            + $"redis colo is {Text(report.RedisAgainstPeriodic100)} times periodic at 100 ms");
        foreach (GapFigures gap in gaps)
        {
            Say($"{gap.Fault}: {gap.Count} losses, the download stood {gap.MedianMs:0} ms (median), {gap.WorstMs:0} ms (worst)");
        }

        if (jsonPath is not null)
        {
            File.WriteAllText(jsonPath, JsonSerializer.Serialize(report, Indented));
        }
    }

    private static string Text(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);

    private static double Median(List<double> values) => values.Count == 0 ? 0 : values.Order().ElementAt(values.Count / 2);

    private static void Say(string text) => Console.WriteLine(text);

    private static async Task When(NodeProcess node, EventCode code, DateTimeOffset since)
    {
        try
        {
            await node.WhenAsync(printed => printed.Code == (int)code, since.AddMilliseconds(-1)).WaitAsync(StepLimit).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{node.Name}: {code} did not come within {StepLimit.TotalMinutes} minutes; its log is {node.LogPath}");
        }
    }

    private static async Task UntilAsync(Func<bool> condition, string what)
    {
        DateTimeOffset limit = DateTimeOffset.UtcNow + StepLimit;
        while (!condition())
        {
            if (DateTimeOffset.UtcNow > limit)
            {
                throw new TimeoutException($"{what} did not come");
            }

            await Task.Delay(20).ConfigureAwait(false);
        }
    }

    [GeneratedRegex(@"pause ([\d.]+) ms")]
    private static partial Regex Pause();
}
