using System.Globalization;
using Colo.Actors.Failover;
using Colo.Actors.Links;
using Colo.Actors.Node;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Actors.Vm;

namespace Colo.Actors.Heartbeat;

/// <summary>
/// Sends this node's heartbeats over every network and judges those of its peers with a <see cref="HeartbeatMonitor"/>,
/// on a thread of its own that goes before ordinary ones: who is late because others are busy here would accuse a
/// healthy peer, or be accused. What waits in the inbox is heard before a tick judges silence. Any thread may post.
/// </summary>
public sealed class HeartbeatLoop : IDisposable
{
    /// <summary>Far more than arrives between two ticks; when it is full the sender's thread waits.</summary>
    private const int InboxMax = 10_000;

    private readonly HeartbeatSetup setup;
    private readonly HeartbeatMonitor monitor;
    private readonly Lock gate = new();
    private readonly QuietQueue<object> inbox = new(InboxMax);
    private readonly List<HeartbeatFinding> findings = [];
    private readonly SortedDictionary<string, VmGlance> vms = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, WireHeartbeat> heard = new(StringComparer.Ordinal);
    private readonly Dictionary<HostId, HostIdentity> lives = [];
    private readonly HashSet<HostId> lost = [];
    private readonly HashSet<(string Peer, int Network)> up = [];
    private Action<object> tell = _ => { };
    private bool gatewayReachable = true;
    private ulong sequence;

    public HeartbeatLoop(HeartbeatSetup setup)
    {
        this.setup = setup;
        monitor = new HeartbeatMonitor(setup.Peers, setup.Options);
    }

    /// <summary>
    /// Begins. Findings for the VMs go to <paramref name="told"/>; what ends the loop too early to
    /// <paramref name="failed"/>.
    /// </summary>
    public void Start(Action<object> told, Action<Exception> failed)
    {
        tell = told;
        new Thread(() => Run(failed)) { IsBackground = true, Name = "colo heartbeat" }.Start();
    }

    /// <summary>
    /// A <see cref="BeatReceived"/>, <see cref="PeerLinkChanged"/>, <see cref="VmGlanced"/>, <see cref="VmGone"/> or
    /// <see cref="GatewayAnswered"/>.
    /// </summary>
    public void Post(object message) => inbox.Add(message); // nobody listens any more when the node is ending

    /// <summary>Every peer as it stands now.</summary>
    public IReadOnlyList<PeerGlance> Peers()
    {
        lock (gate)
        {
            return monitor.Describe(MonotonicClock.Now(setup.Time));
        }
    }

    public void Dispose() => inbox.Complete();

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

    private void Run(Action<Exception> failed)
    {
        UrgentThread.Raise();
        try
        {
            Instant next = MonotonicClock.Now(setup.Time);
            while (!inbox.IsAddingCompleted)
            {
                TimeSpan wait = next - MonotonicClock.Now(setup.Time);
                if (wait > TimeSpan.Zero)
                {
                    if (inbox.TryTake(out object? message, wait))
                    {
                        Hear(message);
                    }

                    continue;
                }

                for (int waiting = inbox.Count;
                    waiting > 0 && inbox.TryTake(out object? message, TimeSpan.Zero);
                    waiting--)
                {
                    Hear(message);
                }

                Judge(new HeartbeatTick());
                Instant now = MonotonicClock.Now(setup.Time);
                next += setup.Options.Interval;
                next = next < now ? now + setup.Options.Interval : next;
            }
        }
        catch (Exception problem) when (
            problem is InvariantViolationException or ArgumentException or InvalidOperationException)
        {
            failed(problem);
        }
    }

    private void Hear(object message)
    {
        switch (message)
        {
            case BeatReceived received:
                heard[received.From.Host.Name] = received.Beat;
                Judge(new HeartbeatReceived(
                    received.From, received.Network, received.Beat.GatewayReachable, FactsOf(received.Beat)));
                break;
            case PeerLinkChanged change:
                OnLink(change);
                break;
            case VmGlanced glanced:
                OnGlanced(glanced);
                break;
            case VmGone gone:
                vms.Remove(gone.Vm.Name);
                break;
            case GatewayAnswered answered:
                Judge(answered);
                break;
            default:
                throw new ArgumentException($"{message.GetType().Name} is not for the heartbeats", nameof(message));
        }
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
                Judge(new HeartbeatConnectionRefused(change.Peer, change.Network));
                break;
            case LinkCondition.Silent:
                up.Remove(link);
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
        lock (gate)
        {
            monitor.Decide(MonotonicClock.Now(setup.Time), message, findings);
        }

        foreach (HeartbeatFinding finding in findings)
        {
            Act(finding);
        }
    }

    private void Act(HeartbeatFinding finding)
    {
        switch (finding)
        {
            case HeartbeatFinding.SendHeartbeats:
                SendBeat();
                break;
            case HeartbeatFinding.Lost gone:
                if (lost.Add(gone.Peer.Host))
                {
                    Emit(EventCode.HostLost,
                        $"{gone.Peer}: {gone.Evidence}, last heard {Milliseconds(AgeOf(gone.Peer.Host))} ago");
                }

                tell(new PeerLost(gone.Peer, gone.Evidence));
                break;
            case HeartbeatFinding.Seen seen:
                NoteSeen(seen.Peer);
                TellSeen(seen.Peer);
                break;
            case HeartbeatFinding.Gateway gateway:
                gatewayReachable = gateway.Reachable;
                tell(new GatewayChanged(gateway.Reachable, gateway.PeerReaches));
                break;
            case HeartbeatFinding.Link link:
                Emit(link.Up ? EventCode.LinkBack : EventCode.LinkLost, $"{link.Peer}, network {link.Number}");
                break;
            case HeartbeatFinding.Stalled stalled:
                Emit(EventCode.LocalStall, Milliseconds(stalled.For));
                break;
            default:
                throw new System.Diagnostics.UnreachableException($"{finding}");
        }
    }

    private void NoteSeen(HostIdentity peer)
    {
        bool known = lives.TryGetValue(peer.Host, out HostIdentity last);
        bool back = lost.Remove(peer.Host);
        if (!known || last != peer)
        {
            lives[peer.Host] = peer;
            Emit(known ? EventCode.PeerRestarted : EventCode.PeerSeen, $"{peer}");
        }
        else if (back)
        {
            Emit(EventCode.PeerSeen, $"{peer} again");
        }
    }

    private void TellSeen(HostIdentity peer)
    {
        if (heard.TryGetValue(peer.Host.Name, out WireHeartbeat? beat))
        {
            foreach (WireVmBeat vm in beat.Vms)
            {
                var term = new Term((long)Math.Min(vm.Term, long.MaxValue));
                tell(new ForVm(new VmId(vm.Vm), new PeerSeen(peer, term, vm.HoldsGuest)));
            }
        }
    }

    private void SendBeat()
    {
        var beat =
            new WireHeartbeat { From = PeerCodec.ToWire(setup.Self), Sequence = ++sequence,
            GatewayReachable = gatewayReachable };
        foreach ((string vm, VmGlance glance) in vms)
        {
            beat.Vms.Add(new WireVmBeat { Vm = vm, Term = (ulong)glance.Term.Value, HoldsGuest = glance.HoldsGuest });
        }

        setup.Links().Beat(beat);
    }

    private TimeSpan AgeOf(HostId host) => monitor.AgeOf(host, MonotonicClock.Now(setup.Time)) ?? TimeSpan.Zero;

    private void Emit(EventCode code, string summary) =>
        setup.Happened(new HostEvent(code, Term.Zero, Epoch.Zero, summary));

    private static string Milliseconds(TimeSpan span) =>
        string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0} ms");
}
