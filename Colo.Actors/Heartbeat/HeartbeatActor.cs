using Akka.Actor;
using Colo.Actors.Failover;
using Colo.Actors.Links;
using Colo.Actors.Node;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Actors.Vm;

namespace Colo.Actors.Heartbeat;

/// <summary>What a <see cref="HeartbeatActor"/> is made of.</summary>
/// <param name="Peers">Every other node, with the number of networks that lead to it.</param>
public sealed record HeartbeatSetup(
    HostIdentity Self, IReadOnlyList<(HostId Host, int Networks)> Peers, HeartbeatOptions Options, Func<PeerLinks> Links, TimeProvider Time);

/// <summary>
/// Sends this node's heartbeats over every network and judges those of its peers with a <see cref="HeartbeatMonitor"/>.
/// Tells its parent what the VMs must hear. It runs on a thread of its own: who is late because others are busy here
/// would accuse a healthy peer.
/// </summary>
internal sealed class HeartbeatActor : ReceiveActor, IWithTimers
{
    private readonly HeartbeatSetup setup;
    private readonly HeartbeatMonitor monitor;
    private readonly List<HeartbeatFinding> findings = [];
    private readonly SortedDictionary<string, VmGlance> vms = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, WireHeartbeat> heard = new(StringComparer.Ordinal);
    private readonly HashSet<(string Peer, int Network)> up = [];
    private ulong sequence;

    public HeartbeatActor(HeartbeatSetup setup)
    {
        this.setup = setup;
        monitor = new HeartbeatMonitor(
            setup.Peers.Select(peer => peer.Host), setup.Peers.Select(peer => peer.Networks).DefaultIfEmpty(1).Max(), setup.Options);
        Receive<HeartbeatTick>(Judge);
        Receive<VmGlanced>(OnGlanced);
        Receive<BeatReceived>(OnBeat);
        Receive<PeerLinkChanged>(OnLink);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() =>
        Timers.StartPeriodicTimer("tick", new HeartbeatTick(), TimeSpan.Zero, setup.Options.Interval);

    /// <summary>Equal for heartbeats that say the same of every VM.</summary>
    private static long FactsOf(WireHeartbeat beat)
    {
        long facts = 17;
        foreach (WireVmBeat vm in beat.Vms)
        {
            foreach (char letter in vm.Vm)
            {
                facts = unchecked((facts * 31) + letter);
            }

            facts = unchecked((((facts * 31) + (long)vm.Term) * 2) + (vm.HoldsGuest ? 1 : 0));
        }

        return facts;
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

    private void OnBeat(BeatReceived received)
    {
        heard[received.From.Host.Name] = received.Beat;
        Judge(new HeartbeatReceived(received.From, received.Network, received.Beat.GatewayReachable, FactsOf(received.Beat)));
    }

    private void OnLink(PeerLinkChanged change)
    {
        (string Name, int Network) link = (change.Peer.Name, change.Network);
        switch (change.Condition)
        {
            case LinkCondition.Up:
                up.Add(link);
                break;
            case LinkCondition.Refused:
                up.Remove(link);
                Judge(new HeartbeatConnectionRefused(change.Peer));
                break;
            default:
                if (up.Remove(link))
                {
                    Judge(new HeartbeatLinkReset(change.Peer, change.Network));
                }

                break;
        }
    }

    private void Judge(Message message)
    {
        findings.Clear();
        monitor.Decide(MonotonicClock.Now(setup.Time), message, findings);
        foreach (HeartbeatFinding finding in findings)
        {
            switch (finding)
            {
                case HeartbeatFinding.SendHeartbeats:
                    SendBeat();
                    break;
                case HeartbeatFinding.Lost lost:
                    Context.Parent.Tell(new PeerLost(lost.Peer, lost.Evidence));
                    break;
                case HeartbeatFinding.Seen seen:
                    TellSeen(seen.Peer);
                    break;
                case HeartbeatFinding.Gateway gateway:
                    Context.Parent.Tell(new GatewayChanged(gateway.Reachable, gateway.PeerReaches));
                    break;
                default:
                    break; // links and stalls are for the operator's eyes, which have the events of the VMs
            }
        }
    }

    private void TellSeen(HostIdentity peer)
    {
        if (heard.TryGetValue(peer.Host.Name, out WireHeartbeat? beat))
        {
            foreach (WireVmBeat vm in beat.Vms)
            {
                var term = new Term((long)Math.Min(vm.Term, long.MaxValue));
                Context.Parent.Tell(new ForVm(new VmId(vm.Vm), new PeerSeen(peer, term, vm.HoldsGuest)));
            }
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
}
