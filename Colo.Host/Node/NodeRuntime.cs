using System.Collections.Concurrent;
using System.Net;
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
using Colo.Host.Configuration;
using Colo.Vmm.Links;

namespace Colo.Host.Node;

/// <summary>
/// A running node: its links, its actors, its VMs. Built from checked options; everything that comes in from peers passes
/// here on its way to the actors, and everything that operators may know is kept here.
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
    private readonly LinkRegistry registry = new();
    private readonly List<LinkListener> listeners = [];
    private readonly PeerLinks links;
    private readonly ActorSystem system;
    private readonly IActorRef node;
    private readonly WitnessArbiterStore records;
    private readonly IArbiter arbiter;
    private readonly LinkSecurity? security;

    public NodeRuntime(NodeOptions options, Config config, TimeProvider time, Action<string> log)
    {
        this.options = options;
        this.log = log;
        this.time = time;
        Events = new EventLog(options.Name, time);
        Self = new HostIdentity(new HostId(options.Name), NodeIncarnation.Next(options.StateDirectory));
        security = options.Tls is { } tls ? LinkSecurity.FromFiles(tls.Certificate, tls.Key, tls.Authority) : null;
        records = new WitnessArbiterStore(Path.Combine(options.StateDirectory, "records"));
        system = ActorSystem.Create("colo", config);
        links = new PeerLinks(Self, options.Peers, security, time, this);
        arbiter = ArbiterFactory.Create(options, records, () => links);
        var setup = new HeartbeatSetup(
            Self, [.. options.Peers.Select(peer => (peer.Host, peer.Networks.Count))], options.Heartbeat.ToOptions(), () => links, time);
        node = system.ActorOf(Props.Create(() => new NodeSupervisor(setup, Fatal)), "node");
        foreach (IPEndPoint address in options.Listen)
        {
            listeners.Add(new LinkListener(address, security, Decide, Take, log));
        }

        foreach (VmDefinition definition in options.Vms.Where(vm => vm.Nodes.Contains(options.Name)))
        {
            AddVm(definition);
        }

        Events.Add(string.Empty, new HostEvent(EventCode.NodeStarted, Term.Zero, Epoch.Zero, $"{Self}"));
    }

    public HostIdentity Self { get; }

    public NodeOptions Options => options;

    public EventLog Events { get; }

    public IReadOnlyList<VmRecord> Vms => [.. vms.Values.OrderBy(vm => vm.Definition.Name, StringComparer.Ordinal)];

    public VmRecord? Find(string vm) => vms.GetValueOrDefault(vm);

    /// <summary>Completes when the node cannot go on.</summary>
    public TaskCompletionSource<string> Failed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Carries a command out on the VM's cores.</summary>
    /// <returns>How it ended; Failed with a text when no answer came in time.</returns>
    public async Task<Effect.CompleteCommand> CommandAsync(string vm, OperatorCommand command)
    {
        if (command is ProtectCommand && Find(vm) is { Definition: { Backend: VmBackendKind.Qemu } definition })
        {
            IReadOnlyList<string> problems = await Task.Run(() => QemuBackendFactory.Problems(options, definition)).ConfigureAwait(false);
            if (problems.Count > 0)
            {
                return new Effect.CompleteCommand(command.Id, CommandResult.Refused, string.Join("; ", problems));
            }
        }

        try
        {
            return await node.Ask<Effect.CompleteCommand>(new CommandVm(new VmId(vm), command), CommandTimeout).ConfigureAwait(false);
        }
        catch (AskTimeoutException)
        {
            return new Effect.CompleteCommand(command.Id, CommandResult.Failed, $"no answer within {CommandTimeout.TotalSeconds} s; {ResultUnknown}");
        }
    }

    /// <summary>Adds a VM to the running node.</summary>
    public void AddVm(VmDefinition definition)
    {
        var record = new VmRecord(definition) { Since = time.GetUtcNow() };
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
        };
        if (definition.Backend == VmBackendKind.Qemu)
        {
            // A QEMU is a process to be started on the joiner, on a machine that may be busy.
            failover = failover with { InviteTimeout = TimeSpan.FromSeconds(60), PeerStepTimeout = TimeSpan.FromSeconds(90) };
        }

        var runtime = new VmRuntime
        {
            Vm = vm,
            Protocol = definition.Backend == VmBackendKind.Qemu
                ? new QemuVmProtocol(vm, Self, failover, definition.Checkpoint.Mode)
                : new VmProtocol(vm, Self, failover, definition.Checkpoint, new Actors.Disk.ResyncOptions()),
            OpenBackend = report => record.Backend = BackendFactory.Create(this, definition, record, report, registry, links, security, time, log),
            Arbiter = arbiter,
            ArbiterTimeout = options.Arbiter.Timeout,
            Peers = links,
            Observer = this,
            Hooks = this,
            Time = time,
        };
        node.Tell(new AddVm(runtime));
    }

    /// <summary>Hands every guest to its peer, as far as possible within the limit.</summary>
    public async Task DrainAsync(TimeSpan limit)
    {
        IEnumerable<Task> drains = vms.Values
            .Where(vm => vm.Status?.Role is VmRole.Primary or VmRole.Secondary)
            .Select(vm => CommandAsync(vm.Definition.Name, new DrainCommand(NewCommandId())));
        try
        {
            await Task.WhenAll(drains).WaitAsync(limit, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            log($"not every guest could be handed over within {limit.TotalSeconds} s");
        }
    }

    public static CommandId NewCommandId() => new(Guid.NewGuid().ToString("N"));

    public async ValueTask DisposeAsync()
    {
        foreach (LinkListener listener in listeners)
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }

        await system.Terminate().ConfigureAwait(false);
        await links.DisposeAsync().ConfigureAwait(false);
    }

    void IPeerLinkEvents.HeartbeatReceived(HostIdentity from, int network, WireHeartbeat heartbeat) =>
        node.Tell(new BeatReceived(from, network, heartbeat));

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

    void IPeerLinkEvents.LinkChanged(HostId peer, int network, LinkCondition condition) =>
        node?.Tell(new PeerLinkChanged(peer, network, condition));

    void IPeerLinkEvents.Refused(string sentence) => log(sentence);

    void IVmObserver.StatusChanged(VmId vm, VmStatus status)
    {
        if (vms.TryGetValue(vm.Name, out VmRecord? record))
        {
            if (record.Status?.Protection != status.Protection)
            {
                record.Since = time.GetUtcNow();
            }

            record.Status = status;
        }
    }

    void IVmObserver.Happened(VmId vm, HostEvent happened)
    {
        if (happened.Code == EventCode.CheckpointCaptured && vms.TryGetValue(vm.Name, out VmRecord? record))
        {
            record.Checkpoints++;
        }

        Events.Add(vm.Name, happened);
    }

    void IVmObserver.Glanced(VmId vm, VmGlance glance) => node.Tell(new VmGlanced(vm, glance));

    void IHookRunner.Run(VmId vm, Effect.RunHook hook) =>
        HookProcess.Start(options.Hooks, hook.Name, vm.Name, hook.Term.Value, hook.Detail, time, log);

    private static long SizeOf(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;

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
