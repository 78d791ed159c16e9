using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Heartbeat;

/// <summary>
/// Who is alive, judged from heartbeats over every network that two hosts share and from what the links themselves say.
/// <code>
/// unknown --heard--> alive --all links silent, or its process is gone--> lost --heard--> alive
/// </code>
/// Silence is judged by phi and by a hard limit (<see cref="HeartbeatOptions"/>); a refused connection by a host that was
/// alive is evidence at once, because only a host whose process is gone answers so. A monitor that was itself stopped
/// accuses nobody for what it did not hear meanwhile (Dadgar et al., "Lifeguard", 2018). Pure: the clock is an argument.
/// </summary>
public sealed class HeartbeatMonitor
{
    private readonly HeartbeatOptions options;
    private readonly SortedDictionary<string, Peer> peers = new(StringComparer.Ordinal);
    private Instant? lastLook;

    public HeartbeatMonitor(HeartbeatOptions options)
    {
        IReadOnlyList<string> errors = options.Validate();
        if (errors.Count > 0)
        {
            throw new ArgumentException(string.Join("; ", errors), nameof(options));
        }

        this.options = options;
    }

    /// <summary>Times this host found that it had been stopped itself.</summary>
    public int LocalStalls { get; private set; }

    /// <summary>The last life of a peer that was heard of, or null.</summary>
    public HostIdentity? IdentityOf(HostId host) => peers.TryGetValue(host.Name, out Peer? peer) ? peer.Identity : null;

    public bool IsAlive(HostId host) => peers.TryGetValue(host.Name, out Peer? peer) && peer.IsAlive;

    /// <summary>Time since the last heartbeat of a peer over any network; null when none ever came.</summary>
    public TimeSpan? AgeOf(HostId host, Instant now) =>
        peers.TryGetValue(host.Name, out Peer? peer) && peer.Networks.Values.Max(link => link.LastHeard) is { } last ? now - last : null;

    /// <summary>A heartbeat of a peer.</summary>
    /// <param name="vms">What it says of each VM.</param>
    /// <param name="seen">Takes what the cores of one VM must hear.</param>
    public void Heard(
        Instant now, HostIdentity from, int network, IEnumerable<(VmId Vm, Term Term, bool HoldsGuest)> vms, Action<VmId, PeerSeen> seen)
    {
        if (!peers.TryGetValue(from.Host.Name, out Peer? peer))
        {
            peers[from.Host.Name] = peer = new Peer();
        }

        if (peer.Identity is { } known && from.Incarnation.Value < known.Incarnation.Value)
        {
            return; // late words of an earlier life
        }

        if (peer.Identity != from)
        {
            peer.Told.Clear();
            peer.Identity = from;
        }

        if (!peer.IsAlive)
        {
            peer.IsAlive = true;
            peer.Told.Clear();
        }

        if (!peer.Networks.TryGetValue(network, out PhiAccrual? link))
        {
            peer.Networks[network] = link = new PhiAccrual(options.Interval);
        }

        link.Heard(now);
        foreach ((VmId vm, Term term, bool holdsGuest) in vms)
        {
            var now2 = new PeerSeen(from, term, holdsGuest);
            if (!peer.Told.TryGetValue(vm.Name, out PeerSeen? told) || told != now2)
            {
                peer.Told[vm.Name] = now2;
                seen(vm, now2);
            }
        }
    }

    /// <summary>What the node's own link to a peer says.</summary>
    public void LinkChanged(HostId host, LinkCondition condition, Action<PeerLost> lost)
    {
        if (condition == LinkCondition.Refused && peers.TryGetValue(host.Name, out Peer? peer) && peer.IsAlive)
        {
            Lose(peer, LossEvidence.ProcessGone, lost);
        }
    }

    /// <summary>Looks whether a silence has become too long.</summary>
    public void Look(Instant now, Action<PeerLost> lost)
    {
        bool stalled = lastLook is { } last && now - last > options.PauseAccepted;
        lastLook = now;
        if (stalled)
        {
            LocalStalls++;
            foreach (Peer peer in peers.Values)
            {
                foreach (PhiAccrual link in peer.Networks.Values)
                {
                    link.Forgive(now);
                }
            }

            return;
        }

        foreach (Peer peer in peers.Values)
        {
            if (peer.IsAlive && peer.Networks.Values.All(link => IsSilent(link, now)))
            {
                Lose(peer, LossEvidence.Silence, lost);
            }
        }
    }

    private static void Lose(Peer peer, LossEvidence evidence, Action<PeerLost> lost)
    {
        peer.IsAlive = false;
        lost(new PeerLost(peer.Identity!.Value, evidence));
    }

    private bool IsSilent(PhiAccrual link, Instant now)
    {
        if (link.LastHeard is not { } last)
        {
            return true;
        }

        TimeSpan silence = now - last;
        return silence > options.PauseAccepted && (silence >= options.LostAfter || link.Phi(now) >= options.Threshold);
    }

    private sealed class Peer
    {
        public HostIdentity? Identity { get; set; }

        public bool IsAlive { get; set; }

        public SortedDictionary<int, PhiAccrual> Networks { get; } = [];

        public SortedDictionary<string, PeerSeen> Told { get; } = new(StringComparer.Ordinal);
    }
}
