using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Akka.Actor;
using Akka.Configuration;
using Colo.Actors.Arbiter;
using Colo.Actors.Failover;
using Colo.Actors.Heartbeat;
using Colo.Actors.Links;
using Colo.Actors.Node;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Actors.Vm;
using Colo.Actors.Vm.Qemu;
using Colo.Host.Cluster;
using Colo.Host.Configuration;
using Colo.Host.Faults;
using Colo.Vmm.Block;
using Colo.Vmm.Links;

namespace Colo.Host.Node;

/// <summary>Opens the machine's side of a VM; the argument takes its reports.</summary>
public delegate IVmBackend BackendOpener(VmDefinition vm, VmRecord record, Action<Message> report);

/// <summary>
/// A running node: its links, its actors, its VMs. Built from checked options; everything that comes in from peers
/// passes here on its way to the actors, and everything that operators may know is kept here.
/// </summary>
public sealed class NodeRuntime : IPeerLinkEvents, IVmObserver, IHookRunner, IAsyncDisposable
{
    private static readonly TimeSpan CommandTimeout = TimeSpan.FromMinutes(2);

    /// <summary>How the text of a command ends that nobody answered in time.</summary>
    internal const string ResultUnknown = "the result is unknown";

    private readonly NodeOptions options;
    private readonly Action<string> log;
    private readonly TimeProvider time;
    private readonly ConcurrentDictionary<string, VmRecord> vms = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, GuestCheck> checks = new(StringComparer.Ordinal);
    private readonly LinkRegistry registry = new();
    private readonly List<LinkListener> listeners = [];
    private readonly HeartbeatLoop heartbeats;
    private readonly PeerLinks links;
    private readonly IActorRef node;
    private readonly WitnessArbiterStore records;
    private readonly IArbiter arbiter;
    private readonly LinkSecurity? security;
    private readonly BackendOpener open;
    private readonly NodeOrders orders;
    private readonly ReportSender reports;
    private readonly IcmpProbe? gateway;
    private readonly RememberedTerms terms;
    private volatile bool stops;
    private readonly Func<(long Available, long Total)> memory;

    /// <param name="open">Opens backends; null: as the definitions say.</param>
    /// <param name="memory">Available and total bytes of this host; null: as the kernel says.</param>
    /// <param name="files">Opens what replicated disks consist of; null: files of the operating system.</param>
    public NodeRuntime(
        NodeOptions options, Config config, TimeProvider time, Action<string> log, BackendOpener? open = null,
        Func<(long Available, long Total)>? memory = null, Func<string, FileMode, IStorageFile>? files = null)
    {
        DiskFiles = files ?? ((path, mode) => new OsFile(path, mode));
        this.memory = memory ?? HostMemory.Read;
        this.options = options;
        this.time = time;
        this.log = line =>
        {
            Log.Add(line);
            log(line);
        };
        Events = new EventLog(options.Name, time);
        Commands = new CommandJournal(time);
        Self = new HostIdentity(new HostId(options.Name), NodeIncarnation.Next(options.StateDirectory));
        Events.Add(string.Empty, new HostEvent(EventCode.NodeStarted, Term.Zero, Epoch.Zero, $"{Self}"));
        History = new FailoverJournal(options.Name, options.StateDirectory, time);
        terms = new RememberedTerms(options.StateDirectory);
        security = options.Tls is { } tls ? SecurityOf(tls) : null;
        records = new WitnessArbiterStore(Path.Combine(options.StateDirectory, "records"));
        System = ActorSystem.Create("colo", config);
        heartbeats = new HeartbeatLoop(new HeartbeatSetup(
            Self, [.. options.Peers.Select(peer => (peer.Host, peer.Networks.Count))], options.Heartbeat.ToOptions(),
            () => links!, time,
            happened => Events.Add(string.Empty, happened)));
        Cluster = new ClusterView(Self, options, heartbeats, time);
        links = new PeerLinks(Self, options.Peers, security, time, this);
        this.open = open
            ?? ((vm, record, report) =>
            BackendFactory.Create(this, vm, record, report, registry, links, security, time, this.log));
        arbiter = ArbiterFactory.Create(options, records, () => links);
        orders = new NodeOrders(Self.Host, () => links, time);
        var store = new VmStore(options.StateDirectory);
        Administration = new VmAdministration(this, store, orders);
        Verifier = new DiskVerifier(this, time);
        Faults = new FaultInjector(this, time, (vm, message) => node!.Tell(new ForVm(vm, message)));
        Drills = new DrillJournal(options.StateDirectory);
        orders.Here = Administration.HereAsync;
        node = System.ActorOf(Props.Create(() => new NodeSupervisor(heartbeats, Fatal)), "node");
        gateway = options.Heartbeat.Gateway is { } address
            ? new IcmpProbe(
                address, options.Heartbeat.GatewayTimeout / 2, options.Heartbeat.GatewayTimeout / 2, () =>
                true, OnGateway)
            : null;
        // The addresses are taken before a VM is touched, for another process of this node would have them; peers are
        // heard when there is somebody to hear them.
        foreach (IPEndPoint listen in options.Listen)
        {
            listeners.Add(Listen(listen));
        }

        foreach (VmDefinition definition in options.Vms.Where(vm => vm.Nodes.Contains(options.Name)))
        {
            AddVm(definition, isStored: false);
        }

        foreach (VmDefinition definition in store.Load(options, this.log))
        {
            AddVm(definition, isStored: true);
        }

        reports = new ReportSender(this, links, Cluster, time);
        listeners.ForEach(listener => listener.Start());
    }

    public HostIdentity Self { get; }

    public NodeOptions Options => options;

    public EventLog Events { get; }

    public LogRing Log { get; } = new();

    public FailoverJournal History { get; }

    public CommandJournal Commands { get; }

    public ClusterView Cluster { get; }

    public VmAdministration Administration { get; }

    public DiskVerifier Verifier { get; }

    public FaultInjector Faults { get; }

    public DrillJournal Drills { get; }

    public ActorSystem System { get; }

    /// <summary>Opens images, bitmaps and buffers of replicated disks.</summary>
    public Func<string, FileMode, IStorageFile> DiskFiles { get; }

    /// <summary>
    /// The effective options with their sources, as the service read them; empty when the node was not made from a
    /// file.
    /// </summary>
    public IReadOnlyList<ConfigEntry> ConfigEntries { get; init; } = [];

    /// <summary>Whether the operator wants this host out of the way.</summary>
    public bool IsDraining { get; private set; }

    public bool ReachesGateway { get; private set; } = true;

    public IReadOnlyList<VmRecord> Vms => [.. vms.Values.OrderBy(vm => vm.Definition.Name, StringComparer.Ordinal)];

    public VmRecord? Find(string vm) => vms.GetValueOrDefault(vm);

    public IReadOnlyList<MemberView> Members() => Cluster.Members(Facts());

    /// <summary>Age of a host's last heartbeat in milliseconds; null when it was never heard.</summary>
    public double? SilenceOf(string host) =>
        heartbeats.Peers().FirstOrDefault(peer => peer.Host.Name == host)?.Age?.TotalMilliseconds;

    /// <summary>What this node says of itself.</summary>
    public NodeFacts Facts()
    {
        (long available, long total) = memory();
        // What is defined here and not yet running will take its memory sooner or later.
        long promised = vms.Values.Where(vm => vm.Status?.Role is null or VmRole.None)
            .Sum(vm => vm.Definition.MemoryBytes);
        return new NodeFacts(
            Self.Host.Name, options.IsWitness, options.FailureDomain, Math.Max(0, available - promised), total,
            vms.Count,
            vms.Values.Count(vm => vm.IsOwner), IsDraining, ReachesGateway,
            options.Arbiter.Kind.ToString().ToLowerInvariant(),
            typeof(NodeRuntime).Assembly.GetName().Version?.ToString(3) ?? "?");
    }

    /// <summary>Tells the VMs of this host whom to take when several hosts offer themselves.</summary>
    internal void RankJoiners()
    {
        if (vms.IsEmpty)
        {
            return;
        }

        NodeFacts own = Facts();
        IReadOnlyList<MemberView> members = Cluster.Members(own);
        foreach (VmRecord vm in Vms.Where(vm => vm.Definition.Nodes.Count > 2))
        {
            IReadOnlyList<string> order = Placement.RankJoiners(own, vm.Definition.Nodes, members);
            node.Tell(new ForVm(
                new VmId(vm.Definition.Name), new JoinersRanked([.. order.Select(name => new HostId(name))])));
        }
    }

    /// <summary>Completes when the node cannot go on.</summary>
    public TaskCompletionSource<string> Failed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Carries a command out on the VM's cores.</summary>
    /// <returns>How it ended; Failed with a text when no answer came in time.</returns>
    public async Task<Effect.CompleteCommand> CommandAsync(string vm, OperatorCommand command)
    {
        if (command is ProtectCommand && Find(vm) is { Definition: { Backend: VmBackendKind.Qemu } definition })
        {
            IReadOnlyList<string> problems = await Task.Run(() => QemuBackendFactory.Problems(options, definition))
                .ConfigureAwait(false);
            if (problems.Count > 0)
            {
                return new Effect.CompleteCommand(command.Id, CommandResult.Refused, string.Join("; ", problems));
            }
        }

        if (command is ProtectCommand { On: not null })
        {
            RankJoiners(); // judged by what is known now
        }

        try
        {
            Effect.CompleteCommand end = await node.Ask<Effect.CompleteCommand>(
                new CommandVm(new VmId(vm), command), CommandTimeout).ConfigureAwait(false);
            if (end.Result == CommandResult.Done && Find(vm) is { } record)
            {
                record.IsGivenUp = command is UnprotectCommand || (command is not ProtectCommand && record.IsGivenUp);
                record.Mode = command is SetModeCommand mode ? mode.Mode : record.Mode;
            }

            return end;
        }
        catch (AskTimeoutException)
        {
            return new Effect.CompleteCommand(
                command.Id, CommandResult.Failed, $"no answer within {CommandTimeout.TotalSeconds} s; {ResultUnknown}");
        }
    }

    /// <summary>Adds a VM to the running node; one of a known name is left as it is.</summary>
    public void AddVm(VmDefinition definition, bool isStored)
    {
        var record = new VmRecord(definition, time) { Since = time.GetUtcNow(), IsStored = isStored };
        if (!vms.TryAdd(definition.Name, record))
        {
            return;
        }

        var vm = new VmId(definition.Name);
        var failover = new FailoverOptions
        {
            Candidates = [.. definition.Nodes.Select(name => new HostId(name))],
            CreateHere = definition.Nodes[0] == options.Name,
            DiskSizeBytes = definition.Backend == VmBackendKind.Qemu
                ? QemuBackendFactory.DiskBytes(definition)
                : definition.Disks.Where(disk => disk.Mode == VmDiskMode.Replicated).Sum(disk => SizeOf(disk.Path)),
            LastInStep = terms.Of(definition.Name),
            DiskKeepsBitmap = definition.Backend != VmBackendKind.Qemu,
        };
        if (definition.Backend == VmBackendKind.Qemu)
        {
            // A QEMU is a process to be started on the joiner, on a machine that may be busy.
            failover =
                failover with { InviteTimeout = TimeSpan.FromSeconds(60), PeerStepTimeout = TimeSpan.FromSeconds(90) };
        }

        var runtime = new VmRuntime
        {
            Vm = vm,
            Protocol = definition.Backend == VmBackendKind.Qemu
                ? new QemuVmProtocol(vm, Self, failover, definition.Checkpoint.Mode)
                : new VmProtocol(vm, Self, failover, definition.Checkpoint, new Actors.Disk.ResyncOptions()),
            OpenBackend = report => record.Backend = open(record.Definition, record, report),
            Arbiter = arbiter,
            ArbiterTimeout = options.Arbiter.Timeout,
            Peers = links,
            Observer = this,
            Hooks = this,
            Time = time,
        };
        if (definition.Check is { } check)
        {
            checks[definition.Name] = new GuestCheck(
                record, check, definition.Nics.Count > 0 ? definition.Nics[0].Bridge : string.Empty,
                happened => Events.Add(definition.Name, happened),
                detail => HookProcess.Start(
                    options.Hooks, "on-guest-silent", definition.Name, record.Status?.Term.Value ?? 0, detail, time,
                    log),
                () => _ = CommandAsync(definition.Name, new SwitchoverCommand(NewCommandId())));
        }

        node.Tell(new AddVm(runtime));
    }

    /// <summary>Ends a VM's actors on this node and forgets it.</summary>
    public void RemoveVm(string vm)
    {
        if (vms.TryRemove(vm, out _))
        {
            node.Tell(new RemoveVm(new VmId(vm)));
            terms.Forget(vm);
            Events.Add(vm, new HostEvent(EventCode.VmRemoved, Term.Zero, Epoch.Zero, string.Empty));
        }

        if (checks.TryRemove(vm, out GuestCheck? check))
        {
            check.Dispose();
        }
    }

    /// <summary>Hands every role of this host away and keeps it out of pairs.</summary>
    public async Task<Outcome> DrainHostAsync()
    {
        IsDraining = true;
        string[] kept = await NotDoneAsync(() => new DrainCommand(NewCommandId())).ConfigureAwait(false);
        return kept.Length == 0
            ? Outcome.Done("nothing runs here now") : Outcome.Failed($"not handed over: {string.Join("; ", kept)}");
    }

    /// <summary>Takes part again.</summary>
    public async Task<Outcome> UndrainHostAsync()
    {
        IsDraining = false;
        string[] kept = await NotDoneAsync(() => new ProtectCommand(NewCommandId())).ConfigureAwait(false);
        return kept.Length == 0
            ? Outcome.Done("takes part again")
            : Outcome.Failed($"takes part again, but not with {string.Join("; ", kept)}");
    }

    /// <summary>Gives an order to each VM of this host; the names and answers of those that have not done it.</summary>
    private async Task<string[]> NotDoneAsync(Func<OperatorCommand> order)
    {
        (string Vm, Effect.CompleteCommand End)[] ends = await Task.WhenAll(Vms.Select(
            async vm => (vm.Definition.Name, await CommandAsync(vm.Definition.Name, order()).ConfigureAwait(false))))
            .ConfigureAwait(false);
        return [.. ends.Where(end => end.End.Result != CommandResult.Done).Select(end => $"{end.Vm}: {end.End.Text}")];
    }

    /// <summary>
    /// Before the process ends: hands every guest to its peer, or lets it shut down where there is none.
    /// </summary>
    public Task StopGuestsAsync(TimeSpan limit)
    {
        stops = true;
        return new GuestFarewell(this, CommandAsync, time, log).RunAsync(limit);
    }

    public static CommandId NewCommandId() => new(Guid.NewGuid().ToString("N"));

    public async ValueTask DisposeAsync()
    {
        Faults.Dispose();
        reports.Dispose();
        gateway?.Dispose();
        foreach (GuestCheck check in checks.Values)
        {
            check.Dispose();
        }

        foreach (LinkListener listener in listeners)
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }

        await System.Terminate().ConfigureAwait(false);
        await links.DisposeAsync().ConfigureAwait(false);
    }

    void IPeerLinkEvents.HeartbeatReceived(HostIdentity from, int network, WireHeartbeat heartbeat) =>
        heartbeats.Post(new BeatReceived(from, network, heartbeat));

    void IPeerLinkEvents.MessageReceived(VmId vm, PeerMessage message) => node.Tell(new ForVm(vm, message));

    void IPeerLinkEvents.ArbiterAsked(HostId from, WireArbiterRequest request)
    {
        ArbiterProposal? proposal = request.HasProposal ? WitnessArbiter.ProposalOf(request) : null;
        ArbiterAnswer answer = !options.IsWitness ? new ArbiterAnswer.Unknown($"{Self.Host} is no witness")
            : !request.HasProposal ? records.Read(new VmId(request.Vm))
            : proposal is null ? new ArbiterAnswer.Unknown("a question that makes no sense")
            : proposal.By.Host != from ? new ArbiterAnswer.Unknown("a question in somebody else's name")
            : records.CompareAndSet(proposal);
        if (request.HasProposal)
        {
            log($"witness: {from} asks for {proposal?.Next}: {answer}");
        }

        links.Answer(from, WitnessArbiter.ToWire(request.Request, answer));
    }

    void IPeerLinkEvents.ArbiterReplied(WireArbiterReply reply) => (arbiter as WitnessArbiter)?.Take(reply);

    void IPeerLinkEvents.ReportReceived(HostId from, WireNodeReport report)
    {
        Cluster.Take(from, report);
        RankJoiners();
    }

    void IPeerLinkEvents.NodeAsked(HostId from, WireNodeRequest request) => orders.Asked(from, request);

    void IPeerLinkEvents.NodeReplied(HostId from, WireNodeReply reply) => orders.Replied(reply);

    void IPeerLinkEvents.LinkChanged(HostId peer, int network, LinkCondition condition) =>
        heartbeats.Post(new PeerLinkChanged(peer, network, condition));

    void IPeerLinkEvents.Refused(string sentence) => log(sentence);

    void IVmObserver.StatusChanged(VmId vm, VmStatus status)
    {
        if (!vms.TryGetValue(vm.Name, out VmRecord? record))
        {
            return;
        }

        if (record.Status?.Protection != status.Protection)
        {
            record.Since = time.GetUtcNow();
        }

        record.Status = status;
        terms.Note(vm.Name, status);
        if (status.Role != VmRole.None && !stops)
        {
            // It runs, here or at the peer: when it is off the next time, somebody wanted that.
            GuestReturn.Take(options.StateDirectory, vm.Name);
        }

        // A guest that is off because this node stops is for the next life of the node.
        if (status.State == "Off" && !stops && GuestReturn.Take(options.StateDirectory, vm.Name))
        {
            _ = CommandAsync(vm.Name, new StartCommand(NewCommandId()));
        }
    }

    void IVmObserver.Happened(VmId vm, HostEvent happened)
    {
        if (vms.TryGetValue(vm.Name, out VmRecord? record))
        {
            Note(record, happened);
        }

        // Last: whoever is told of the event finds its consequences in the journals.
        Events.Add(vm.Name, happened);
    }

    private void Note(VmRecord record, HostEvent happened)
    {
        record.Journal.Take(
            happened, happened.Code is >= EventCode.CheckpointRequested and <= EventCode.LoadFailed
            ? record.Backend?.Inspect().Timing : null);
        string? peer = record.Status?.Peer?.Host.Name;
        History.Take(record.Definition.Name, happened, peer, peer is null ? null : SilenceOf(peer));
        switch (happened.Code)
        {
            case EventCode.CheckpointCaptured:
                record.Checkpoints++;
                break;
            case EventCode.ProtectionPaused or EventCode.ProtectionResumed:
                record.IsProtectionPaused = happened.Code == EventCode.ProtectionPaused;
                break;
            case EventCode.PairEstablished or EventCode.SwitchoverDone:
                record.Why = string.Empty;
                break;
            case EventCode.PeerLost or EventCode.FailoverStarted or EventCode.ResyncFailed or EventCode.JoinAborted or EventCode.HoldingForOperator
                or EventCode.GuestBootFailed or EventCode.ColdStartWaits or EventCode.Evicted:
                record.Why = $"{happened.Code} (E{(int)happened.Code}): {happened.Summary}";
                break;
            default:
                break; // says nothing about why
        }
    }

    void IVmObserver.Glanced(VmId vm, VmGlance glance) => node.Tell(new VmGlanced(vm, glance));

    void IHookRunner.Run(VmId vm, Effect.RunHook hook) =>
        HookProcess.Start(options.Hooks, hook.Name, vm.Name, hook.Term.Value, hook.Detail, time, log);

    private static LinkSecurity SecurityOf(TlsOptions tls)
    {
        try
        {
            return LinkSecurity.FromFiles(tls.Certificate, tls.Key, tls.Authority);
        }
        catch (Exception problem) when (problem is CryptographicException or ArgumentException)
        {
            throw new InvalidDataException(
                $"{tls.Certificate}, {tls.Key} and {tls.Authority} do not fit together: {problem.Message}", problem);
        }
    }

    private LinkListener Listen(IPEndPoint address)
    {
        try
        {
            return new LinkListener(address, security, Decide, Take, log, start: false);
        }
        catch (SocketException problem)
        {
            throw new IOException($"{problem.Message}: {address}", problem);
        }
    }

    private static long SizeOf(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;

    private void OnGateway(bool answered)
    {
        ReachesGateway = answered;
        if (answered)
        {
            heartbeats.Post(new GatewayAnswered());
        }
    }

    private (LinkAnswer Answer, ulong Term) Decide(LinkOpen open, string? peerSubject)
    {
        bool known = links.Knows(open.Host) && (security is null || peerSubject == open.Host);
        return !known ? (LinkAnswer.NotExpected, 0)
            : open.Kind == LinkKind.Control ? (LinkAnswer.Accepted, 0)
            : registry.Decide(open);
    }

    private void Take(DataLink link)
    {
        if (link.Open.Kind == LinkKind.Control)
        {
            links.Take(link);
        }
        else
        {
            registry.Take(link);
        }
    }

    private void Fatal(string reason)
    {
        log($"this node cannot go on: {reason}");
        Failed.TrySetResult(reason);
    }
}
