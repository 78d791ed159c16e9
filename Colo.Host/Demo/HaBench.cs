using System.Globalization;
using System.Text.Json;
using Colo.Actors.Protocol;

namespace Colo.Host.Demo;

/// <summary>
/// Measures what protection costs: the same guest in mode colo and, at the other moments, a second one that nothing
/// protects, in rounds, because a machine's own speed changes from minute to minute; then mode periodic; then how long
/// clients stand still when the primary is lost.
/// </summary>
internal sealed class HaBench : IDisposable
{
    /// <summary>What can be measured apart.</summary>
    public static readonly string[] Parts = ["speed", "kill", "cable"];

    /// <summary>What takes longer will not come.</summary>
    public static readonly TimeSpan StepLimit = TimeSpan.FromMinutes(5);

    private const long Endless = 1L << 40;
    private const int WarmRoundsMin = 3;
    private const int WarmRoundsMax = 10;

    /// <summary>Many short ones: this machine's speed changes within seconds, and only slices next to each other can be
    /// compared.</summary>
    private const int CompareRounds = 15;
    private const int BesideRounds = 3;

    /// <summary>Of the product of three rates.</summary>
    private const double WarmGain = 1.1;

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
    private SpeedShares? shares;
    private SpeedShares? beside;

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
        await CompareAsync().ConfigureAwait(false);
        await LabCluster.CommandAsync(Primary(), "mode", LabVm.Name, "periodic").ConfigureAwait(false);
        await MeasureAsync("periodic-100").ConfigureAwait(false);
        await BesideAsync().ConfigureAwait(false);
        await BeginAsync("periodic", TimeSpan.FromMilliseconds(25)).ConfigureAwait(false);
        await MeasureAsync("periodic-25").ConfigureAwait(false);
    }

    /// <summary>Both guests by turns.</summary>
    private async Task CompareAsync()
    {
        TimeSpan slice = TimeSpan.FromSeconds(Math.Max(1, Math.Round(duration.TotalSeconds / 5)));
        var colo = new HaBenchSamples(cluster!, NetworkLab.GuestAddress, slice);
        var unprotected = new HaBenchSamples(cluster!, NetworkLab.AloneAddress, slice);
        for (int round = 0; round < CompareRounds; round++)
        {
            Say($"measuring colo and unprotected, round {round + 1} of {CompareRounds}");
            foreach (string kind in HaBenchSamples.Kinds)
            {
                double one = await colo.TakeAsync(kind).ConfigureAwait(false);
                double other = await unprotected.TakeAsync(kind).ConfigureAwait(false);
                Say($"  {kind}: {Text(one)} of {Text(other)}, {one / other:P0}");
            }
        }

        modes.Add(colo.Figures("colo"));
        modes.Add(unprotected.Figures("unprotected"));
        shares = colo.SharesOf(unprotected);
    }

    /// <summary>
    /// Both guests unprotected, and by turns one or both of them at work. A pair is two guests at work: what they leave
    /// of each other's speed on this machine is the most that it can reach here.
    /// </summary>
    private async Task BesideAsync()
    {
        await LabCluster.CommandAsync(Primary(), "unprotect", LabVm.Name, "--yes").ConfigureAwait(false);
        TimeSpan slice = duration / 2;
        var alone = new HaBenchSamples(cluster!, NetworkLab.AloneAddress, slice);
        HaBenchSamples[] both =
        [
            new(cluster!, NetworkLab.AloneAddress, slice), new(cluster!, NetworkLab.GuestAddress, slice),
        ];
        for (int round = 0; round < BesideRounds; round++)
        {
            Say($"measuring two unprotected guests side by side, round {round + 1} of {BesideRounds}");
            foreach (string kind in HaBenchSamples.Kinds)
            {
                double one = await alone.TakeAsync(kind).ConfigureAwait(false);
                double[] two = await Task.WhenAll(both.Select(samples => samples.TakeAsync(kind))).ConfigureAwait(false);
                Say($"  {kind}: {Text(two[0])} and {Text(two[1])} of {Text(one)}, {two.Average() / one:P0}");
            }
        }

        beside = HaBenchSamples.MeanShares(both[0].SharesOf(alone), both[1].SharesOf(alone));
    }

    /// <summary>The host that has the first copy now: a busy machine may have changed roles by itself, and a command to
    /// the other is only noted there.</summary>
    private NodeProcess Primary() => cluster!.FindPrimary() ?? cluster.Hosts[0];

    private async Task<NodeProcess> BeginAsync(string mode, TimeSpan period)
    {
        cluster?.Dispose();
        string own = Path.Combine(folder, Guid.NewGuid().ToString("N")[..6]);
        Directory.CreateDirectory(own);
        var vm = new LabVm
        {
            Guest = "debian-redis", Mode = mode, Period = period, HasPeer = mode == "colo" && only.Contains("speed"),
        };
        DateTimeOffset began = DateTimeOffset.UtcNow;
        cluster = new LabCluster(lab, own, vm, _ => { });
        cluster.Start();
        Say($"booting a guest in mode {mode}");
        await When(cluster.Hosts[0], EventCode.PairEstablished, began).ConfigureAwait(false);
        await WarmAsync(vm.HasPeer).ConfigureAwait(false);
        return cluster.Hosts[0];
    }

    /// <summary>Each kind of work before it is timed, again and again while that makes it faster: otherwise what is
    /// measured first pays for compiling the guest's code.</summary>
    private async Task WarmAsync(bool hasPeer)
    {
        string[] guests = hasPeer ? [NetworkLab.GuestAddress, NetworkLab.AloneAddress] : [NetworkLab.GuestAddress];
        foreach (string address in guests)
        {
            double fastest = 0;
            for (int round = 0; round < WarmRoundsMax; round++)
            {
                var samples = new HaBenchSamples(cluster!, address, duration / 2);
                double speed = await samples.TakeAsync("requests").ConfigureAwait(false)
                    * await samples.TakeAsync("redis").ConfigureAwait(false)
                    * await samples.TakeAsync("redis-many").ConfigureAwait(false);
                if (!only.Contains("speed") || (round >= WarmRoundsMin && speed < fastest * WarmGain))
                {
                    break;
                }

                fastest = Math.Max(fastest, speed);
            }
        }
    }

    private async Task MeasureAsync(string name)
    {
        Say($"measuring {name}");
        var samples = new HaBenchSamples(cluster!, NetworkLab.GuestAddress, duration);
        foreach (string kind in HaBenchSamples.Kinds)
        {
            Say($"  {kind}: {Text(await samples.TakeAsync(kind).ConfigureAwait(false))}");
        }

        modes.Add(samples.Figures(name));
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

        gaps.Add(new GapFigures(fault, found.Count, Median.Of(found), found.Max(), found));
    }

    private void Conclude()
    {
        double? Redis(string name) => modes.Find(mode => mode.Name == name)?.Redis.PerSecond;
        double againstPeriodic = Redis("colo") / Redis("periodic-100") ?? 0;
        var report = new HaBenchReport(modes, shares, beside, againstPeriodic, gaps);
        if (modes.Count > 0)
        {
            Say("mode           http/s   p50   p99   redis/s   p50   p99   x 8/s   p50   p99   MB/s  checkpoints/s"
                + "  pause ms");
        }

        foreach (ModeFigures mode in modes)
        {
            Say(string.Create(CultureInfo.InvariantCulture,
                $"{mode.Name,-13}{Text(mode.Http)}{Text(mode.Redis),23}{Text(mode.RedisMany),21}"
                + $"{mode.BulkMegabytesPerSecond,7:0.0}{mode.CheckpointsPerSecond,15:0.0}{mode.PauseMedianMs,10:0.00}"));
        }

        foreach (ModeFigures mode in modes)
        {
            Say($"{mode.Name}: processor time for one redis request: guests {mode.RedisGuestsMicroseconds:0} us, "
                + $"everything else in the nodes {mode.RedisHostsMicroseconds:0} us");
        }

        if (shares is { } of)
        {
            Say($"colo of unprotected: http {of.Http:P0}, redis {of.Redis:P0}, redis on 8 connections "
                + $"{of.RedisMany:P0}, bulk {of.Bulk:P0}; redis colo is {Text(againstPeriodic)} times periodic at 100 ms");
        }

        if (beside is { } two)
        {
            Say($"each of two unprotected guests side by side, of one: http {two.Http:P0}, redis {two.Redis:P0}, redis on 8 "
                + $"connections {two.RedisMany:P0}, bulk {two.Bulk:P0}");
        }

        foreach (GapFigures gap in gaps)
        {
            Say($"{gap.Fault}: {gap.Count} losses, the download stood {gap.MedianMs:0} ms (median), "
                + $"{gap.WorstMs:0} ms (worst)");
        }

        if (jsonPath is not null)
        {
            File.WriteAllText(jsonPath, JsonSerializer.Serialize(report, Indented));
        }
    }

    private static string Text(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);

    private static string Text(RequestFigures figures) =>
        string.Create(CultureInfo.InvariantCulture, $"{figures.PerSecond,8:0.0}{figures.MedianMs,6:0.0}{figures.P99Ms,6:0.0}");

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
}
