using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Cli;

namespace Colo.Host.Demo;

/// <summary>
/// A cluster, a guest, some clients, and faults one after another; every step is judged by what the clients see. After
/// a step that failed the later ones are not tried: they would start from a pair that nobody knows.
/// </summary>
internal sealed class LabScenario : IDisposable
{
    /// <summary>A hang, not a slow machine.</summary>
    public static readonly TimeSpan StepLimit = TimeSpan.FromSeconds(150);

    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(100);

    private static readonly JsonSerializerOptions Indented = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly string folder;
    private readonly bool keeps;
    private readonly List<LabStep> steps = [];
    private readonly List<(string Name, ClientProcess Client)> clients = [];
    private bool failed;

    public LabScenario(LabVm vm, string? keepFolder)
    {
        keeps = keepFolder is not null;
        folder = keepFolder ?? Directory.CreateTempSubdirectory("colo-lab-").FullName;
        Directory.CreateDirectory(folder);
        Lab = NetworkLab.Create("node-a", "node-b");
        Cluster = new LabCluster(Lab, folder, vm, _ => { });
        Primary = Cluster.Hosts[0];
    }

    public NetworkLab Lab { get; }

    public LabCluster Cluster { get; }

    /// <summary>The host that owned the guest when the last step had ended.</summary>
    public NodeProcess Primary { get; private set; }

    public NodeProcess Secondary => Cluster.Other(Primary);

    /// <summary>Number of the first record that the present client has asked for.</summary>
    public long FirstRecord { get; private set; }

    public string Folder => folder;

    public IReadOnlyList<LabStep> Steps => steps;

    public static void Say(string text) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow:HH:mm:ss.fff} {text}"));

    /// <summary>Runs one named step, or notes that it was not reached.</summary>
    public async Task StepAsync(string name, Func<Task> run)
    {
        if (failed)
        {
            steps.Add(new LabStep(name, false, "not reached: an earlier step failed", 0));
            return;
        }

        Say(name);
        var clock = Stopwatch.StartNew();
        long from = LabClient.Now();
        try
        {
            if (steps.Count > 0)
            {
                // On a busy machine a pair breaks by itself, also between two steps.
                await PairedAsync().ConfigureAwait(false);
            }

            DateTimeOffset began = DateTimeOffset.UtcNow;
            await run().ConfigureAwait(false);
            AssertNothingImpossible(began);
            steps.Add(new LabStep(name, true, Seen(from), clock.Elapsed.TotalSeconds));
        }
        catch (Exception problem) when (problem is TimeoutException or InvalidOperationException or IOException)
        {
            failed = true;
            steps.Add(new LabStep(name, false, $"{problem.Message}; {Seen(from)}", clock.Elapsed.TotalSeconds));
        }

        Say($"  {(failed ? "FAILED" : "ok")}: {steps[^1].Seen}");
    }

    /// <summary>Starts the nodes, the guest and the clients, and waits until all are at work.</summary>
    public Task BeginAsync(params (string Kind, long Amount, long Rate)[] kinds) => StepAsync(
        "the guest boots protected", async () =>
    {
        DateTimeOffset began = DateTimeOffset.UtcNow;
        Cluster.Start();
        await AnyAsync(began, null, EventCode.PairEstablished).ConfigureAwait(false);
        await StartClientsAsync(kinds).ConfigureAwait(false);
    });

    public async Task StartClientsAsync(params (string Kind, long Amount, long Rate)[] kinds)
    {
        foreach ((string kind, long amount, long rate) in kinds)
        {
            FirstRecord = kind == "records" ? amount : FirstRecord;
            clients.Add((kind, new ClientProcess(kind, NetworkLab.GuestAddress, amount, rate)));
        }

        await ServedAsync().ConfigureAwait(false);
    }

    public void EndClients()
    {
        clients.ForEach(entry => entry.Client.Dispose());
        clients.Clear();
    }

    public ClientReport? LastReport(string kind) => clients.Find(entry => entry.Name == kind).Client?.Last;

    /// <summary>The pair has been one since then.</summary>
    /// <exception cref="InvalidOperationException">It has not; begins with <paramref name="otherwise"/>.</exception>
    public void AssertPairSince(DateTimeOffset at, string otherwise)
    {
        if (FirstBreakSince(at) is { } wrong)
        {
            throw new InvalidOperationException(
                $"{otherwise}: {wrong.Time:HH:mm:ss.fff} {wrong.Host} {wrong.Name} {wrong.Summary}");
        }
    }

    /// <summary>
    /// Whether the pair has been one since then; false when a host was taken for lost because it was silent for a
    /// while, which a busy machine brings about by itself and which proves nothing: whoever asks has to try again.
    /// </summary>
    /// <exception cref="InvalidOperationException">It broke in another way.</exception>
    public bool HasStayedPairSince(DateTimeOffset at, string otherwise)
    {
        PrintedEvent? wrong = FirstBreakSince(at);
        if (wrong?.Summary.Contains("Silence", StringComparison.Ordinal) == true)
        {
            Say($"  {otherwise}? not proven: {wrong.Host} {wrong.Name} {wrong.Summary}");
            return false;
        }

        AssertPairSince(at, otherwise);
        return true;
    }

    /// <summary>Waits until a host tells this of the guest it asks, or until the pair breaks: who runs the guest then
    /// asks anew.</summary>
    public Task GuestTellsAsync(EventCode code, DateTimeOffset since) => UntilAsync(
        () => FirstBreakSince(since) is not null || Cluster.Hosts.SelectMany(host => host.Events)
            .Any(printed => printed.Time >= since && (EventCode)printed.Code == code),
        $"no host says {code}");

    /// <summary>Both hosts hold the VM, by what the owner says.</summary>
    public Task PairedAsync() => UntilAsync(
        () =>
        {
            NodeProcess? primary = Cluster.FindPairedPrimary();
            Primary = primary ?? Primary;
            return primary is not null;
        },
        "the pair does not become whole again");

    /// <summary>Both hosts hold the VM, and have just made a checkpoint together.</summary>
    public async Task ProvenPairAsync()
    {
        DateTimeOffset limit = DateTimeOffset.UtcNow + StepLimit;
        while (DateTimeOffset.UtcNow < limit)
        {
            await PairedAsync().ConfigureAwait(false);
            NodeProcess asked = Primary;
            DateTimeOffset at = DateTimeOffset.UtcNow;
            (int code, _) = await LabCluster.RunAsync(
                asked.Name, Environment.ProcessPath!, "checkpoint", "now", LabVm.Name).ConfigureAwait(false);
            if (code == ExitCode.Done)
            {
                await UntilAsync(() => IsCommitted(asked, at) || FirstBreakSince(at) is not null, "no checkpoint ends")
                    .ConfigureAwait(false);
                if (IsCommitted(asked, at))
                {
                    return;
                }
            }

            await Task.Delay(Again).ConfigureAwait(false);
        }

        throw new TimeoutException($"no checkpoint of the pair succeeds in {StepLimit.TotalSeconds:0} s");
    }

    private static bool IsCommitted(NodeProcess primary, DateTimeOffset at) => primary.Events.Any(
        printed => printed.Time >= at && (EventCode)printed.Code == EventCode.CheckpointCommitted);

    private PrintedEvent? FirstBreakSince(DateTimeOffset at) => Cluster.Hosts.SelectMany(host => host.Events)
        .Where(printed => printed.Time >= at && LabCluster.Broken.Contains((EventCode)printed.Code))
        .MinBy(printed => printed.Time);

    /// <summary>A host is lost; the clients go on; it comes back; the pair is whole; the clients go on.</summary>
    /// <param name="strike">Begins the fault.</param>
    /// <param name="restore">Ends it.</param>
    /// <param name="survivor">The host that must go on, or null when either may.</param>
    public async Task LoseAsync(Action strike, Action restore, NodeProcess? survivor)
    {
        DateTimeOffset at = DateTimeOffset.UtcNow;
        strike();
        (NodeProcess winner, _) = await AnyAsync(at, survivor, EventCode.TookOver, EventCode.WentSolo).ConfigureAwait(false);
        await ServedAsync().ConfigureAwait(false);
        DateTimeOffset back = DateTimeOffset.UtcNow;
        restore();
        await AnyAsync(back, winner, EventCode.PairEstablished).ConfigureAwait(false);
        await ServedAsync().ConfigureAwait(false);
    }

    /// <summary>The operator exchanges the roles.</summary>
    public Task ExchangeAsync() => SwitchAsync(
        async () => await LabCluster.CommandAsync(Primary, "switchover", LabVm.Name).ConfigureAwait(false), () => { });

    /// <summary>The roles are exchanged on purpose, and the pair stays one.</summary>
    public async Task SwitchAsync(Func<Task> begin, Action end)
    {
        const int Attempts = 3;
        for (int attempt = 1; attempt <= Attempts; attempt++)
        {
            await PairedAsync().ConfigureAwait(false);
            DateTimeOffset at = DateTimeOffset.UtcNow;
            try
            {
                await begin().ConfigureAwait(false);
                await AnyAsync(
                    at, null, EventCode.SwitchoverDone, EventCode.SwitchoverCancelled, EventCode.TookOver,
                    EventCode.WentSolo).ConfigureAwait(false);
                await ServedAsync().ConfigureAwait(false);
                // Whatever breaks the new pair does so within its first checkpoints.
                await Task.Delay(TimeSpan.FromSeconds(3)).ConfigureAwait(false);
            }
            catch (InvalidOperationException) when (FirstBreakSince(at) is not null)
            {
                // The order was refused because there was no pair any more; why is asked below.
            }

            bool stayed = HasStayedPairSince(at, "the pair broke after the roles were exchanged");
            end();
            await ServedAsync().ConfigureAwait(false);
            if (stayed)
            {
                return;
            }
        }

        throw new InvalidOperationException($"{Attempts} times a host was taken for lost when roles were exchanged");
    }

    /// <summary>The secondary is killed, comes back, is killed again while it is filled, and comes back.</summary>
    /// <returns>When it came back for good.</returns>
    public async Task<DateTimeOffset> LoseJoinerAsync()
    {
        NodeProcess owner = Primary;
        NodeProcess joiner = Secondary;
        DateTimeOffset at = DateTimeOffset.UtcNow;
        joiner.Kill();
        await AnyAsync(at, owner, EventCode.WentSolo).ConfigureAwait(false);
        at = DateTimeOffset.UtcNow;
        joiner.Start();
        await AnyAsync(at, owner, EventCode.JoinStarted).ConfigureAwait(false);
        await Task.Delay(Random.Shared.Next(0, 200)).ConfigureAwait(false);
        joiner.Kill();
        await ServedAsync().ConfigureAwait(false);
        at = DateTimeOffset.UtcNow;
        joiner.Start();
        await AnyAsync(at, owner, EventCode.PairEstablished).ConfigureAwait(false);
        await ServedAsync().ConfigureAwait(false);
        return at;
    }

    /// <summary>The guest ends by its power button: both hosts agree that this is no failure.</summary>
    public async Task ShutDownAsync()
    {
        EndClients();
        DateTimeOffset at = DateTimeOffset.UtcNow;
        await LabCluster.CommandAsync(Primary, "vm", "shutdown", LabVm.Name, "--yes").ConfigureAwait(false);
        await AnyAsync(at, Primary, EventCode.GuestEnded).ConfigureAwait(false);
        await AnyAsync(at, Secondary, EventCode.GuestEnded).ConfigureAwait(false);
        await Task.Delay(TimeSpan.FromSeconds(3)).ConfigureAwait(false);
        EventCode[] failover = [EventCode.TookOver, EventCode.FailoverStarted, EventCode.GuestBooting];
        PrintedEvent? wrong = Cluster.Hosts.SelectMany(host => host.Events)
            .FirstOrDefault(printed => printed.Time >= at && failover.Contains((EventCode)printed.Code));
        if (wrong is not null)
        {
            throw new InvalidOperationException($"the guest's end was taken for a failure: {wrong.Host} {wrong.Name} {wrong.Summary}");
        }
    }

    /// <summary>The next of these events, on one host or on any.</summary>
    public async Task<(NodeProcess Host, PrintedEvent Event)> AnyAsync(DateTimeOffset since, NodeProcess? only, params EventCode[] codes)
    {
        IReadOnlyList<NodeProcess> hosts = only is null ? Cluster.Hosts : [only];
        DateTimeOffset from = since.AddMilliseconds(-1); // what nodes print has no more digits
        List<Task<PrintedEvent>> waits =
            [.. hosts.Select(host => host.WhenAsync(printed => codes.Contains((EventCode)printed.Code), from))];
        try
        {
            Task<PrintedEvent> first = await Task.WhenAny(waits).WaitAsync(StepLimit).ConfigureAwait(false);
            return (hosts[waits.IndexOf(first)], await first.ConfigureAwait(false));
        }
        catch (TimeoutException)
        {
            throw new TimeoutException(
                $"{string.Join(" or ", codes)} did not come on {string.Join(" or ", hosts.Select(host => host.Name))} in {StepLimit.TotalSeconds:0} s");
        }
    }

    /// <summary>Every client is served anew: what it had counted before does not prove it.</summary>
    public async Task ServedAsync()
    {
        foreach ((string name, ClientProcess client) in clients)
        {
            long before = client.Last?.Bytes ?? 0;
            await UntilAsync(() => client.Ended.IsCompleted || client.Last?.Bytes > before, $"{name}: no progress").ConfigureAwait(false);
            if (client.Ended.IsCompleted || client.Last is { Error: not null })
            {
                throw new InvalidOperationException($"{name}: {client.Last?.Error ?? "the client ended"}");
            }
        }
    }

    public static async Task UntilAsync(Func<bool> condition, string otherwise)
    {
        DateTimeOffset limit = DateTimeOffset.UtcNow + StepLimit;
        while (!condition())
        {
            if (DateTimeOffset.UtcNow > limit)
            {
                throw new TimeoutException($"{otherwise} in {StepLimit.TotalSeconds:0} s");
            }

            await Task.Delay(20).ConfigureAwait(false);
        }
    }

    public int Conclude(string? jsonPath)
    {
        if (jsonPath is not null)
        {
            File.WriteAllText(jsonPath, JsonSerializer.Serialize(steps, Indented));
        }

        return failed ? 1 : 0;
    }

    public void Dispose()
    {
        clients.ForEach(entry => entry.Client.Dispose());
        Cluster.Dispose();
        if (!keeps)
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Whatever is done to the hosts, none of them finds that it is in a state in which it cannot
    /// be.</summary>
    private void AssertNothingImpossible(DateTimeOffset since)
    {
        PrintedEvent? wrong = Cluster.Hosts.SelectMany(host => host.Events)
            .FirstOrDefault(printed => printed.Time >= since && (EventCode)printed.Code == EventCode.InvariantViolated);
        if (wrong is not null)
        {
            throw new InvalidOperationException($"{wrong.Host} {wrong.Name} {wrong.Summary}");
        }
    }

    private string Seen(long fromMs) => string.Join(", ", clients.Select(entry => string.Create(
        CultureInfo.InvariantCulture,
        $"{entry.Name} at {entry.Client.Last?.Bytes ?? 0} stood {entry.Client.LongestGap(fromMs, long.MaxValue):0} ms at most")));
}
