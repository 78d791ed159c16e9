using System.Globalization;
using System.Text.Json;
using Colo.Actors.Protocol;
using Spectre.Console;

namespace Colo.Host.Demo;

/// <summary>
/// The story of the demo: a protected guest, two clients, and both hosts lost one after the other. Tells what happens
/// as it happens, and ends with a timeline and a verdict.
/// </summary>
internal sealed class DemoScript : IDisposable
{
    private const long DownloadBytes = 24L << 20;
    private const long DownloadRate = 1 << 20;

    /// <summary>Generous: a shared machine with both hosts, the witness, the clients and the guest's two copies on
    /// it.</summary>
    private static readonly TimeSpan StepLimit = TimeSpan.FromMinutes(3);

    /// <summary>For the rest of the download: two guests and everybody else share the CPUs of one machine.</summary>
    private static readonly TimeSpan DownloadLimit = TimeSpan.FromMinutes(6);

    private static readonly HashSet<int> Told =
    [
        (int)EventCode.GuestRunning, (int)EventCode.JoinStarted, (int)EventCode.PairEstablished, (int)EventCode.PeerLost,
        (int)EventCode.FailoverStarted, (int)EventCode.TermWon, (int)EventCode.TookOver, (int)EventCode.WentSolo,
        (int)EventCode.TermRefused, (int)EventCode.Evicted,
    ];

    private static readonly JsonSerializerOptions Indented = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly DemoOptions options;
    private readonly DateTimeOffset began = DateTimeOffset.UtcNow;
    private readonly List<FaultReport> faults = [];
    private readonly LabCluster cluster;
    private readonly string folder;
    private ClientProcess? download;
    private ClientProcess? requests;
    private volatile bool concluded;

    public DemoScript(DemoOptions options)
    {
        this.options = options;
        folder = options.KeepFolder ?? Directory.CreateTempSubdirectory("colo-demo-").FullName;
        Directory.CreateDirectory(folder);
        Say("building a network: a client, a LAN, two hosts, a witness");
        var vm = new LabVm { Mode = options.Mode, Guest = options.Workload == "redis" ? "debian-redis" : "debian" };
        cluster = new LabCluster(NetworkLab.Create("node-a", "node-b"), folder, vm, Tell);
    }

    public async Task<int> RunAsync()
    {
        Say("starting three nodes, node-a, node-b and witness, linked by TLS 1.3");
        cluster.Start();
        NodeProcess primary = cluster.Hosts[0];
        await Step(primary, EventCode.GuestRunning, "the guest's start", began).ConfigureAwait(false);
        Say("Debian boots on node-a; its memory is copied to node-b while it runs");
        await Step(primary, EventCode.PairEstablished, "protection", began).ConfigureAwait(false);
        Say("[green]PROTECTED[/]: it runs on both hosts, and only what both answer leaves");
        await StartClientsAsync().ConfigureAwait(false);
        await LoseAsync(await PrimaryOfAPairAsync().ConfigureAwait(false)).ConfigureAwait(false);
        await LoseAsync(await PrimaryOfAPairAsync().ConfigureAwait(false)).ConfigureAwait(false);
        Say("both hosts have been lost once; waiting for the download's end");
        await download!.Ended.WaitAsync(DownloadLimit).ConfigureAwait(false);
        return Conclude();
    }

    public void Dispose()
    {
        download?.Dispose();
        requests?.Dispose();
        cluster.Dispose();
        if (options.KeepFolder is null)
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task StartClientsAsync()
    {
        requests = new ClientProcess(options.Workload == "redis" ? "redis" : "requests", NetworkLab.GuestAddress, 0, 10);
        download = new ClientProcess("download", NetworkLab.GuestAddress, DownloadBytes, DownloadRate);
        Say($"a client downloads {DownloadBytes >> 20} MiB over one TCP connection");
        Say("a second one makes small requests all the time");
        await UntilAsync(() => download.Last?.Bytes > DownloadRate && requests.Last?.Bytes > 3, "the clients' first answers").ConfigureAwait(false);
    }

    /// <summary>Loses the primary, waits for the takeover, brings the host back, waits until the pair is
    /// whole.</summary>
    private async Task LoseAsync(NodeProcess primary)
    {
        NodeProcess survivor = cluster.Other(primary);
        Say($"[red]{LabFault.Describe(primary.Name, options.Fault)}[/]");
        DateTimeOffset at = DateTimeOffset.UtcNow;
        LabFault.Strike(primary, options.Fault);
        PrintedEvent lost = await Step(survivor, EventCode.FailoverStarted, "the loss being noticed", at).ConfigureAwait(false);
        PrintedEvent won = await Step(survivor, EventCode.TermWon, "the arbiter's answer", at).ConfigureAwait(false);
        PrintedEvent took = await Step(survivor, EventCode.TookOver, "the takeover", at).ConfigureAwait(false);
        long before = download!.Last!.Bytes;
        await UntilAsync(() => download.Last!.Bytes > before || download.Ended.IsCompleted, "the download going on").ConfigureAwait(false);
        Say($"[green]{survivor.Name} has the guest[/], and the download goes on");
        await Task.Delay(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
        DateTimeOffset back = DateTimeOffset.UtcNow;
        Say($"{primary.Name} comes back");
        LabFault.Restore(primary, options.Fault);
        PrintedEvent pair = await Step(survivor, EventCode.PairEstablished, "protection again", back).ConfigureAwait(false);
        Say($"[green]PROTECTED again[/] after {(pair.Time - back).TotalSeconds:0.0} s");
        long from = at.ToUnixTimeMilliseconds() - 200;
        long to = took.Time.ToUnixTimeMilliseconds() + 5000;
        faults.Add(new FaultReport(
            primary.Name, options.Fault, (lost.Time - at).TotalMilliseconds, (won.Time - lost.Time).TotalMilliseconds,
            (took.Time - at).TotalMilliseconds, download.LongestGap(from, to), requests!.LongestGap(from, to), (pair.Time - back).TotalMilliseconds));
    }

    /// <summary>On a busy machine a pair breaks by itself and is made anew: only a host of a pair can be lost without
    /// the guest.</summary>
    private async Task<NodeProcess> PrimaryOfAPairAsync()
    {
        NodeProcess? primary = null;
        await UntilAsync(() => (primary = cluster.FindPairedPrimary()) is not null, "a whole pair").ConfigureAwait(false);
        return primary!;
    }

    private int Conclude()
    {
        concluded = true;
        ClientReport last = download!.Last!;
        bool survived = last is { Done: true, Error: null } && requests!.Last!.Error is null && !requests.Ended.IsCompleted;
        PrintedEvent[] events = [.. cluster.Hosts.SelectMany(host => host.Events)];
        var report = new DemoReport(
            survived, last.HashOk && last.Done, last.Bytes, [.. faults.Select(fault => fault.DownloadGapMs)],
            Median.Of(faults.Select(fault => fault.DetectMs)), Median.Of(faults.Select(fault => fault.TakeoverMs)),
            Median.Of(faults.Select(fault => fault.ReprotectMs)),
            events.Count(printed => printed.Code == (int)EventCode.CheckpointCaptured),
            events.Count(printed => printed.Code == (int)EventCode.CheckpointCaptured && printed.Summary.StartsWith("Mismatch", StringComparison.Ordinal)),
            options.Mode, options.Workload, faults);
        DemoVerdict.Write(AnsiConsole.Console, report, last.Error);
        if (options.JsonPath is { } path)
        {
            File.WriteAllText(path, JsonSerializer.Serialize(report, Indented));
        }

        return report is { ConnectionSurvived: true, HashOk: true } ? 0 : 1;
    }

    private static async Task<PrintedEvent> Step(NodeProcess node, EventCode code, string what, DateTimeOffset since)
    {
        try
        {
            return await node.WhenAsync(printed => printed.Code == (int)code, since.AddMilliseconds(-1)).WaitAsync(StepLimit).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{node.Name}: {what} did not come within {StepLimit.TotalMinutes} minutes; its log is {node.LogPath}");
        }
    }

    private async Task UntilAsync(Func<bool> condition, string what)
    {
        DateTimeOffset limit = DateTimeOffset.UtcNow + StepLimit;
        while (!condition())
        {
            if (DateTimeOffset.UtcNow > limit || download!.Ended.IsCompleted)
            {
                throw new TimeoutException($"{what} did not come; the download says: {download!.Last?.Error ?? "nothing"}");
            }

            await Task.Delay(20).ConfigureAwait(false);
        }
    }

    private void Tell(PrintedEvent printed)
    {
        if (!concluded && Told.Contains(printed.Code))
        {
            AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{(printed.Time - began).TotalSeconds,7:0.00} s   {printed.Host,-8} {printed.Name}: {printed.Summary}[/]");
        }
    }

    private void Say(string text) =>
        AnsiConsole.MarkupLine(CultureInfo.InvariantCulture, $"{(DateTimeOffset.UtcNow - began).TotalSeconds,7:0.00} s  {text}");
}
