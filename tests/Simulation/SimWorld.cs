using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Simulation.Oracle;

namespace Colo.Simulation;

/// <summary>
/// Everything there is, built from a seed: hosts, network, witness, edge, clients, faults, oracle. Nothing is static;
/// two worlds may run in one process. A run has a fault phase and then a liveness phase, in which all faults are healed
/// and everything must become well within a bound.
/// </summary>
public sealed class SimWorld
{
    private const long LivenessMicros = 25_000_000;
    private const long QuietMicros = 4_000_000;
    private const long ControlResetMicros = 1_000_000;

    private readonly SeededRandom _root;
    private readonly SortedDictionary<string, SeededRandom> _streams = new(StringComparer.Ordinal);
    private readonly SortedDictionary<(Place From, Place To), SimNetwork.Lane> _control = [];
    private readonly List<SimConnection> _connections = [];
    private readonly List<SimClient> _clients = [];
    private readonly List<PeerMessage> _past = [];
    private readonly HashSet<(Place From, Place To)> _noHeartbeats = [];
    private long _commands;
    private bool _replaying;
    private int _activeFaults;
    private long _lastTrouble;
    private Term _booted = Term.Zero;

    public SimWorld(ulong seed, Mutant mutant = Mutant.None, SwarmOptions? options = null, FaultPlan? plan = null, bool story = false)
    {
        Seed = seed;
        Mutant = mutant;
        _root = new SeededRandom(seed);
        Options = options ?? SwarmOptions.Draw(Random("options"));
        Plan = plan ?? FaultPlan.Draw(Random("faults"), Options);
        Trace = new TraceSink(story);
        Scheduler = new SimScheduler(Random("ties"), Trace);
        Network = new SimNetwork(Scheduler, Random("network"), Options);
        Witness = new SimWitness(this);
        Edge = new SimEdge(this);
        HostFaults = new HostFaults(this);
        Oracle = new SimOracle(this);
        GuestFaults = new GuestFaults(this);
        Hosts = [.. Enumerable.Range(0, Options.Hosts).Select(index => new SimHost(this, (Place)index, (index - 1) * Options.ClockDriftPpm))];
        for (int index = 0; index < Options.Clients; index++)
        {
            _clients.Add(new SimClient(this, index, Random($"client-{index}")));
        }
    }

    public ulong Seed { get; }

    public Mutant Mutant { get; }

    public SwarmOptions Options { get; }

    public FaultPlan Plan { get; }

    public TraceSink Trace { get; }

    public SimScheduler Scheduler { get; }

    public SimNetwork Network { get; }

    public SimWitness Witness { get; }

    public SimEdge Edge { get; }

    public SimOracle Oracle { get; }

    public HostFaults HostFaults { get; }

    /// <summary>Numbers of copies from one host's disk to another's.</summary>
    public long CopySessions { get; set; }

    public FaultHits Hits { get; } = new();

    public GuestFaults GuestFaults { get; }

    /// <summary>Writes that are not flushed can be lost here.</summary>
    public bool CutsPower => Options.FaultKinds.Contains(FaultKind.PowerCut) && !Options.SharedDisk;

    /// <summary>How often the guest booted from a disk that had lost writes.</summary>
    public long BootsAfterLoss { get; private set; }

    /// <summary>How often a guest began with nothing but its disk: no connection of before is known to it.</summary>
    public long Beginnings => ColdBoots + GuestFaults.Reboots;

    public IReadOnlyList<SimHost> Hosts { get; }

    /// <summary>The disk of a world in which it is shared.</summary>
    public ulong[] SharedSectors { get; } = new ulong[SimDisk.Sectors];

    public IReadOnlyList<SimClient> Clients => _clients;

    /// <summary>How often the guest lost its memory and booted from disk.</summary>
    public long ColdBoots { get; private set; }

    public int CorruptImages { get; set; }

    /// <summary>The liveness phase: nothing is lost any more.</summary>
    public bool Healed { get; private set; }

    public IGuest NewGuest() =>
        Options.InMachine ? new Riscv.RiscvGuest(Options.DivergencePerMille, Mutant) : new ModelGuest();

    /// <summary>The arbiter has given the VM to others: whatever the guest does here now, nobody hears of it.</summary>
    public bool IsGivenUp(SimVm vm) => Witness.Record is { } record && !record.InSync(vm.Identity);

    /// <summary>Every memory is lost: the guest boots from a disk, in a term.</summary>
    public void OnColdBoot(Term term) => (ColdBoots, _booted) = (ColdBoots + 1, term);

    public void OnBootFrom(SimDisk disk)
    {
        if (disk.HasLost)
        {
            disk.HasLost = false;
            BootsAfterLoss++;
            Hits.Add("F22 power cut: the guest boots without them");
        }
    }

    /// <summary>What was made in this term is of a memory that was lost since.</summary>
    public bool WasBootedAfter(Term term) => _booted > term;

    public SimHost Host(Place place) => Hosts[(int)place];

    public Place PlaceOf(HostId id) => Hosts.First(host => host.Id == id).Place;

    public SimClient Client(long connection) => _clients[(int)(connection / 1_000_000)];

    /// <summary>A named sub-stream of the seed.</summary>
    public SeededRandom Random(string purpose)
    {
        if (!_streams.TryGetValue(purpose, out SeededRandom? stream))
        {
            _streams[purpose] = stream = _root.Stream(purpose);
        }

        return stream;
    }

    /// <summary>Both phases. Throws <see cref="InvariantFailureException"/>, or lets the core's own invariant
    /// through.</summary>
    public void Run(long? crashAtEvent = null, Action<SimWorld>? crash = null)
    {
        foreach (SimHost host in Hosts)
        {
            Scheduler.After(Random("start").Between(0, 200_000), host.Start);
        }

        foreach (SimClient client in _clients)
        {
            Scheduler.After(Random("start").Between(100_000, 700_000), client.Start);
        }

        foreach (Fault fault in Plan.Faults)
        {
            Scheduler.At(fault.At, () => Inject(fault));
        }

        Watch();
        if (crashAtEvent is { } number && crash is not null)
        {
            Scheduler.RunUntil(Options.FaultPhaseMicros, () => Scheduler.Executed >= number);
            crash(this);
        }

        Scheduler.RunUntil(Options.FaultPhaseMicros, () => Plan.Faults.Count == 0 && _clients.TrueForAll(client => client.Done));
        HealAll();
        long deadline = Scheduler.Now + LivenessMicros;
        Scheduler.RunUntil(deadline, IsWell);
        if (HostFaults.LeftNothing)
        {
            HostFaults.Hit("(the guest is left to the operator)");
            return;
        }

        if (!IsWell())
        {
            throw new InvariantFailureException("L5", $"not well {LivenessMicros / 1_000_000} s after the last fault: {Describe()}");
        }

        Scheduler.RunUntil(Scheduler.Now + QuietMicros); // nothing may be left over
        if (!IsWell())
        {
            throw new InvariantFailureException("L5", $"well, and then not any more: {Describe()}");
        }
    }

    /// <summary>The guests' machines give their memory back.</summary>
    public void End()
    {
        foreach (SimHost host in Hosts)
        {
            host.Vm?.SetGuest(null);
        }
    }

    /// <summary>The pair is whole, and every client has got its answers.</summary>
    public bool IsWell() =>
        _clients.TrueForAll(client => client.Done) && Witness.Record is { Secondary: not null }
        && Hosts.Count(host => host.Vm?.Protocol.Failover.State == FailoverState.Primary) == 1
        && Hosts.Count(host => host.Vm?.Protocol.Failover.State == FailoverState.Secondary) == 1;

    public string Describe() =>
        $"record {Witness.Record}; " + string.Join("; ", Hosts.Select(host => host.Vm is { } vm
            ? $"{vm.Identity} {vm.Protocol.Failover.StateName}/{vm.Protocol.Primary.StateName}/{vm.Protocol.Secondary.StateName}, {vm.Held.Count} held, waits for '{vm.Protocol.Status.WaitsFor}'"
            : $"{host.Place} dead")) + "; clients " + string.Join(", ", _clients.Select(client => $"{client.Answered}+{client.Resets}{(client.Done ? "" : $" ({client.DescribeState})")}"));

    public void Story(SimHost host, string what) =>
        Trace.Line(Scheduler.Now, host.Place.ToString(), "-", "", "", 0, what);

    // Links between hosts.

    public void SendControl(SimHost from, HostId to, PeerMessage message)
    {
        SimHost target = Host(PlaceOf(to));
        if (!_replaying && _past.Count < 5_000)
        {
            _past.Add(message);
        }

        HostIdentity sender = from.Identity;
        Lane(from.Place, target.Place).Send(() => target.OnControl(sender, message));
    }

    public bool HeartbeatsBlocked(Place from, Place to) => _noHeartbeats.Contains((from, to));

    /// <summary>The set of data links between two hosts: the open one, or for a primary a new one.</summary>
    public SimConnection? Connect(SimVm vm, Place peer, bool asPrimary)
    {
        SimConnection? open = _connections.Find(connection => !connection.Broken && connection.Joins(vm.Place, peer));
        if (open is null && asPrimary)
        {
            open = new SimConnection(Network, Scheduler, vm.Place, peer);
            _connections.Add(open);
        }

        if (open is null)
        {
            // The other side has closed it already; what it would say is that the link is lost.
            Scheduler.After(100, () => vm.Post(() => vm.Deliver(new ReplicationLinkLost(vm.Protocol.Failover.Peer ?? vm.Identity, ReplicationChannel.Checkpoint))));
            return null;
        }

        open.Attach(vm);
        return open;
    }

    public void BreakConnection(SimConnection connection, Place by)
    {
        _connections.Remove(connection);
        SimVm? other = connection.Break(by);
        if (other is not null)
        {
            TellLost(connection, by, other);
        }
    }

    public void OnCrash(SimHost host, HostIdentity dead, bool reset)
    {
        foreach (SimConnection connection in _connections.Where(item => item.First == host.Place || item.Second == host.Place).ToList())
        {
            _connections.Remove(connection);
            SimVm? other = connection.Break(host.Place);
            if (reset && other is not null)
            {
                TellLost(connection, host.Place, other);
            }
        }

        foreach (SimHost peer in Hosts)
        {
            if (peer == host)
            {
                continue;
            }

            BreakLane(host.Place, peer.Place);
            BreakLane(peer.Place, host.Place);
            if (reset)
            {
                Network.Datagram(host.Place, peer.Place, () => peer.OnProcessGone(host.Place, dead));
            }
        }
    }

    public void OnCommandDone(Effect.CompleteCommand complete) =>
        Trace.Line(Scheduler.Now, "operator", "-", "", "", 0, $"{complete.Id} {complete.Result}: {complete.Text}");

    private void TellLost(SimConnection connection, Place by, SimVm other)
    {
        if (Network.IsBlocked(by, other.Place))
        {
            Scheduler.After(20_000, () => TellLost(connection, by, other)); // TCP will say so when the cut is over
            return;
        }

        Scheduler.After(Network.Delay(by, other.Place), () => other.Post(() => other.OnConnectionLost(connection)));
    }

    private SimNetwork.Lane Lane(Place from, Place to)
    {
        if (!_control.TryGetValue((from, to), out SimNetwork.Lane? lane))
        {
            _control[(from, to)] = lane = new SimNetwork.Lane(Network, Scheduler, from, to);
        }

        return lane;
    }

    private void BreakLane(Place from, Place to)
    {
        if (_control.Remove((from, to), out SimNetwork.Lane? lane))
        {
            lane.Break();
        }
    }

    /// <summary>A control stream that was cut for long is reset: what was under way is lost, and both ends
    /// know.</summary>
    private void ResetControl(Place one, Place other)
    {
        BreakLane(one, other);
        BreakLane(other, one);
        foreach ((Place here, Place there) in ((Place, Place)[])[(one, other), (other, one)])
        {
            if (here <= Place.C && there <= Place.C && (int)here < Hosts.Count && Host(here).Vm is { } vm)
            {
                vm.Post(() =>
                {
                    if (vm.Protocol.Failover.Peer is { } peer && peer.Host == new HostId(there.ToString()))
                    {
                        vm.Deliver(new ReplicationLinkLost(peer, ReplicationChannel.Control));
                    }
                });
            }
        }
    }

    // Faults.

    private void Watch()
    {
        bool troubled = _activeFaults > 0 || Witness.IsTroubled
            || Hosts.Any(host => !host.Alive || host.Frozen || host.IsBehind);
        _lastTrouble = troubled ? Scheduler.Now : _lastTrouble;
        if (Scheduler.Now - _lastTrouble > QuietMicros - 500_000)
        {
            Oracle.OnQuiet();
        }

        Oracle.OnWatch();
        GuestFaults.Watch();
        Scheduler.After(100_000, Watch);
    }

    private void HealAll()
    {
        Healed = true;
        Network.HealAll();
        HostFaults.HealAll();
        _noHeartbeats.Clear();
        Witness.Heal();
        CorruptImages = 0;
        foreach (SimHost host in Hosts)
        {
            host.Start();
            if (host.Frozen)
            {
                host.Thaw();
            }
        }

        foreach (SimHost host in Hosts)
        {
            if (host.Vm is { } vm)
            {
                if (vm.Protocol.Failover.State == FailoverState.Off)
                {
                    // Its machine failed while it booted, or its guest has ended: the next try is the operator's.
                    GuestFaults.OnStartOrdered();
                    vm.Deliver(new StartCommand(new CommandId($"start-{host.Place}-{++_commands}")));
                }

                vm.Deliver(new ProtectCommand(new CommandId($"heal-{host.Place}-{++_commands}")));
            }
        }

        Trace.Line(Scheduler.Now, "world", "-", "", "", 0, "all faults healed");
    }

    /// <summary>A fault that is over after a while.</summary>
    public void During(long micros, Action begin, Action end)
    {
        _activeFaults++;
        begin();
        Scheduler.After(micros, () =>
        {
            _activeFaults--;
            end();
        });
    }

    private void CutPair(Place one, Place other, long micros, bool both)
    {
        During(micros, () =>
        {
            Network.Cut(one, other);
            if (both)
            {
                Network.Cut(other, one);
            }
        }, () =>
        {
            Network.Heal(one, other);
            if (both)
            {
                Network.Heal(other, one);
            }

            if (micros > ControlResetMicros)
            {
                ResetControl(one, other);
            }
        });
    }

    public void Inject(Fault fault)
    {
        SimHost host = Host(fault.Target);
        Place other = (Place)(((int)fault.Target + 1) % Hosts.Count);
        long duration = fault.DurationMicros;
        Trace.Line(Scheduler.Now, "fault", "-", "", "", 0, $"{fault.Kind} {fault.Target} {duration / 1000} ms");
        if (fault.Kind == FaultKind.Freeze)
        {
            Oracle.OnDelay(duration);
        }
        else if (fault.Kind is not (FaultKind.Slow or FaultKind.DiskSlow or FaultKind.SlowHost))
        {
            Oracle.OnWorse();
        }

        if (HostFaults.TryInject(fault))
        {
            return;
        }

        switch (fault.Kind)
        {
            case FaultKind.KillProcess or FaultKind.PowerFail:
                host.Crash(reset: fault.Kind == FaultKind.KillProcess);
                Scheduler.After(duration, host.Start);
                break;
            case FaultKind.KillBoth:
                foreach (SimHost each in Hosts)
                {
                    each.Crash(reset: true);
                    Scheduler.After(duration + Random("faults-restart").Between(0, 800_000), each.Start);
                }

                break;
            case FaultKind.PowerCut:
                bool all = Random("power-cut").Chance(500);
                foreach (SimHost each in Hosts.Where(each => all || each == host))
                {
                    each.Crash(reset: false, cut: CutsPower);
                    Scheduler.After(duration + Random("power-cut").Between(0, 800_000), each.Start);
                }

                break;
            case FaultKind.Freeze:
                host.Freeze(duration);
                break;
            case FaultKind.CutHosts:
                CutPair(fault.Target, other, duration, both: true);
                break;
            case FaultKind.CutOneWay:
                CutPair(fault.Target, other, duration, both: false);
                break;
            case FaultKind.Isolate:
                foreach (Place place in Enum.GetValues<Place>().Where(place => place != fault.Target))
                {
                    CutPair(fault.Target, place, duration, both: true);
                }

                break;
            case FaultKind.CutLan:
                CutPair(fault.Target, Place.Edge, duration, both: true);
                break;
            default:
                InjectMore(fault, host, other, duration);
                break;
        }
    }

    private void InjectMore(Fault fault, SimHost host, Place other, long duration)
    {
        switch (fault.Kind)
        {
            case FaultKind.ResetDataLinks:
                foreach (SimConnection connection in _connections.ToList())
                {
                    _connections.Remove(connection);
                    connection.Break(connection.First);
                    foreach (SimVm end in connection.Ends)
                    {
                        Scheduler.After(Random("network").Between(10, 1_000), () => end.Post(() => end.OnConnectionLost(connection)));
                    }
                }

                break;
            case FaultKind.HeartbeatsLost:
                During(duration, () => _noHeartbeats.Add((fault.Target, other)), () => _noHeartbeats.Remove((fault.Target, other)));
                break;
            case FaultKind.Slow:
                During(duration, () => Network.SetExtraDelay(fault.Target, other, duration / 50),
                    () => Network.SetExtraDelay(fault.Target, other, 0));
                break;
            case FaultKind.DiskSlow:
                During(
                    duration, () => Network.SetDiskDelay(fault.Target, duration / 1000),
                    () => Network.SetDiskDelay(fault.Target, 0));
                break;
            case FaultKind.WitnessDown:
                During(duration, () => Witness.Down = true, () => Witness.Down = false);
                break;
            case FaultKind.WitnessCut:
                CutPair(fault.Target, Place.Witness, duration, both: true);
                break;
            case FaultKind.WitnessRestarts or FaultKind.WitnessForgets:
                Witness.Inject(fault);
                break;
            case FaultKind.GuestReboots or FaultKind.GuestEnds:
                GuestFaults.Inject(fault);
                break;
            case FaultKind.CorruptImages:
                CorruptImages = (int)(1 + (duration % 4));
                break;
            case FaultKind.Replay:
                Replay();
                break;
            default:
                Operate(fault, host);
                break;
        }
    }

    private void Replay()
    {
        SeededRandom random = Random("replay");
        _replaying = true;
        for (int i = 0; i < 60 && _past.Count > 0; i++)
        {
            PeerMessage message = _past[random.Below(_past.Count)];
            foreach (SimHost target in Hosts)
            {
                if (target.Id != message.From.Host)
                {
                    Scheduler.After(random.Between(0, 400_000), () => target.OnControl(message.From, message));
                }
            }
        }

        _replaying = false;
    }

    private void Operate(Fault fault, SimHost host)
    {
        if (host.Vm is not { } vm)
        {
            return;
        }

        CommandId id = new($"op-{++_commands}");
        switch (fault.Kind)
        {
            case FaultKind.Switchover:
                vm.Post(() => vm.Deliver(new SwitchoverCommand(id)));
                break;
            case FaultKind.OperatorFailover:
                vm.Post(() => vm.Deliver(new FailoverCommand(id, "drill", AcceptDataLoss: false)));
                break;
            case FaultKind.Unprotect:
                vm.Post(() => vm.Deliver(new UnprotectCommand(id)));
                Scheduler.After(fault.DurationMicros, () => vm.Post(() => vm.Deliver(new ProtectCommand(new CommandId($"re-{id}")))));
                break;
            case FaultKind.MachineFails:
                vm.Post(() => vm.Deliver(new MachineFailed("drill")));
                break;
            case FaultKind.ChangeMode:
                ReplicationMode mode = (ReplicationMode)(1 + (fault.DurationMicros % 3));
                vm.Post(() => vm.Deliver(new SetModeCommand(id, mode)));
                break;
            case FaultKind.DiskFails:
                vm.Post(() => vm.Deliver(new Colo.Actors.Disk.LocalDiskError(IsWrite: fault.DurationMicros % 2 == 0)));
                break;
            case FaultKind.BufferHigh:
                vm.Post(() => vm.Deliver(new Colo.Actors.Disk.DiskBufferLevel(60)));
                break;
            default:
                throw new InvalidOperationException($"no injector for {fault.Kind}");
        }
    }
}
