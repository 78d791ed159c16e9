using Akka.Actor;
using Colo.Actors.Links;
using Colo.Actors.Node;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Actors.Vm;

namespace Colo.Actors.Heartbeat;

/// <summary>What a <see cref="HeartbeatActor"/> is made of.</summary>
public sealed record HeartbeatSetup(HostIdentity Self, HeartbeatOptions Options, Func<PeerLinks> Links, TimeProvider Time);

/// <summary>
/// Sends this node's heartbeats over every network and judges those of its peers with a <see cref="HeartbeatMonitor"/>.
/// Tells its parent what the VMs must hear.
/// </summary>
internal sealed class HeartbeatActor : ReceiveActor, IWithTimers
{
    private readonly HeartbeatSetup setup;
    private readonly HeartbeatMonitor monitor;
    private readonly SortedDictionary<string, VmGlance> vms = new(StringComparer.Ordinal);
    private ulong sequence;

    public HeartbeatActor(HeartbeatSetup setup)
    {
        this.setup = setup;
        monitor = new HeartbeatMonitor(setup.Options);
        Receive<Beat>(_ => SendBeat());
        Receive<Look>(_ => monitor.Look(Now, Lost));
        Receive<VmGlanced>(OnGlanced);
        Receive<BeatReceived>(OnBeat);
        Receive<PeerLinkChanged>(change => monitor.LinkChanged(change.Peer, change.Condition, Lost));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private Instant Now => MonotonicClock.Now(setup.Time);

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer("beat", Beat.Instance, TimeSpan.Zero, setup.Options.Interval);
        Timers.StartPeriodicTimer("look", Look.Instance, setup.Options.LookInterval, setup.Options.LookInterval);
    }

    private void OnGlanced(VmGlanced glanced)
    {
        bool changed = !vms.TryGetValue(glanced.Vm.Name, out VmGlance old) || old != glanced.Glance;
        vms[glanced.Vm.Name] = glanced.Glance;
        if (changed)
        {
            SendBeat(); // a new term is worth a heartbeat of its own
        }
    }

    private void SendBeat()
    {
        var beat = new WireHeartbeat { From = PeerCodec.ToWire(setup.Self), Sequence = ++sequence, GatewayReachable = true };
        foreach ((string vm, VmGlance glance) in vms)
        {
            beat.Vms.Add(new WireVmBeat { Vm = vm, Term = (ulong)glance.Term.Value, HoldsGuest = glance.HoldsGuest });
        }

        setup.Links().Beat(beat);
    }

    private void OnBeat(BeatReceived received) => monitor.Heard(
        Now,
        received.From,
        received.Network,
        received.Beat.Vms.Select(vm => (new VmId(vm.Vm), new Term((long)Math.Min(vm.Term, long.MaxValue)), vm.HoldsGuest)),
        (vm, seen) => Context.Parent.Tell(new ForVm(vm, seen)));

    private void Lost(Failover.PeerLost lost) => Context.Parent.Tell(lost);

    private sealed record Beat
    {
        public static readonly Beat Instance = new();
    }

    private sealed record Look
    {
        public static readonly Look Instance = new();
    }
}
