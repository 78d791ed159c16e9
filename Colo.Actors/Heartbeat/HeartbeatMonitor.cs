using Colo.Actors.Protocol;

namespace Colo.Actors.Heartbeat;

/// <summary>
/// Who is there, seen from one node, over several links.
/// <code>
/// unknown -> heard -> lost (silence on every link | process gone) -> heard again
/// </code>
/// Silence counts when every link is past its detector's deadline; a process that is gone counts at once: refused, or
/// reset on every link that was up. Promises L2: a host that was stalled itself accuses nobody for that time (the idea
/// of Lifeguard, Dadgar et al. 2018), and tells whether it is itself that is cut off (gateway). When all peers are
/// silent it says so for each; it decides nothing.
/// </summary>
public sealed class HeartbeatMonitor
{
    private const int RememberedLives = 8;

    private readonly HeartbeatOptions _options;
    private readonly SortedDictionary<HostId, Peer> _peers = [];
    private readonly int _links;
    private Instant? _lastTick;
    private TimeSpan _extra = TimeSpan.Zero;
    private Instant _extraUntil = Instant.Zero;
    private Instant? _gatewayHeard;
    private (bool Reachable, bool PeerReaches)? _gatewayTold;

    private sealed class Peer(int links, HeartbeatOptions options)
    {
        public HostIdentity? Identity { get; set; }

        public PhiDetector[] Detectors { get; } = [.. Enumerable.Range(0, links).Select(_ => new PhiDetector(options))];

        public bool[] Up { get; } = new bool[links];

        public Queue<HostIdentity> DeadLives { get; } = new();

        public LossEvidence? Lost { get; set; }

        public Instant Told { get; set; }

        public long Facts { get; set; }

        public bool ReachesGateway { get; set; } = true;
    }

    /// <param name="peers">Every other node.</param>
    /// <param name="links">How many links lead to each.</param>
    public HeartbeatMonitor(IEnumerable<HostId> peers, int links, HeartbeatOptions options)
    {
        _options = options;
        _links = links;
        foreach (HostId peer in peers)
        {
            _peers.Add(peer, new Peer(links, options));
        }
    }

    /// <summary>Time since the last heartbeat of this host on any link; null when it was never heard.</summary>
    public TimeSpan? AgeOf(HostId host, Instant now)
    {
        TimeSpan? youngest = null;
        if (_peers.TryGetValue(host, out Peer? peer) && peer.Identity is not null)
        {
            foreach (PhiDetector detector in peer.Detectors)
            {
                TimeSpan age = now - detector.Last;
                youngest = youngest is { } old && old < age ? old : age;
            }
        }

        return youngest;
    }

    /// <summary>Every peer as it stands now.</summary>
    public IReadOnlyList<PeerGlance> Describe(Instant now) =>
    [
        .. _peers.Select(entry => new PeerGlance(
            entry.Key, entry.Value.Identity, AgeOf(entry.Key, now), entry.Value.Lost, [.. entry.Value.Up],
            entry.Value.ReachesGateway)),
    ];

    public void Decide(Instant now, Message message, IList<HeartbeatFinding> findings)
    {
        switch (message)
        {
            case HeartbeatReceived received:
                OnHeartbeat(now, received, findings);
                break;
            case HeartbeatLinkReset reset:
                OnReset(now, reset, findings);
                break;
            case HeartbeatConnectionRefused refused:
                OnRefused(now, refused, findings);
                break;
            case GatewayAnswered:
                _gatewayHeard = now;
                TellGateway(now, findings);
                break;
            case HeartbeatTick:
                OnTick(now, findings);
                break;
            default:
                throw new ArgumentException(
                    $"{message.GetType().Name} is not for the heartbeat monitor", nameof(message));
        }
    }

    private void OnHeartbeat(Instant now, HeartbeatReceived received, IList<HeartbeatFinding> findings)
    {
        if (!_peers.TryGetValue(received.From.Host, out Peer? peer) || received.Link < 0 || received.Link >= _links
            || peer.DeadLives.Contains(received.From))
        {
            return; // not a configured peer, or a datagram of a life that is over
        }

        bool newLife = peer.Identity != received.From;
        if (newLife)
        {
            Bury(peer);
            peer.Identity = received.From;
            foreach (PhiDetector detector in peer.Detectors)
            {
                detector.Restart(now);
            }
        }

        if (!peer.Up[received.Link])
        {
            peer.Up[received.Link] = true;
            peer.Detectors[received.Link].Restart(now);
            findings.Add(new HeartbeatFinding.Link(received.From.Host, received.Link, Up: true));
        }

        peer.Detectors[received.Link].Heard(now);
        bool back = peer.Lost is not null;
        bool changed = peer.Facts != received.Facts || peer.ReachesGateway != received.ReachesGateway;
        peer.Lost = null;
        peer.Facts = received.Facts;
        peer.ReachesGateway = received.ReachesGateway;
        if (newLife || back || changed || now - peer.Told >= _options.RepeatAfter)
        {
            peer.Told = now;
            findings.Add(new HeartbeatFinding.Seen(received.From));
            TellGateway(now, findings);
        }
    }

    private void OnReset(Instant now, HeartbeatLinkReset reset, IList<HeartbeatFinding> findings)
    {
        if (!_peers.TryGetValue(reset.Peer, out Peer? peer) || reset.Link < 0 || reset.Link >= _links
            || !peer.Up[reset.Link])
        {
            return;
        }

        peer.Up[reset.Link] = false;
        findings.Add(new HeartbeatFinding.Link(reset.Peer, reset.Link, Up: false));

        // Another link that still speaks contradicts; one that is late by more than two beats does not.
        bool contradicted = false;
        for (int link = 0; link < _links; link++)
        {
            contradicted |= peer.Up[link] && now - peer.Detectors[link].Last <= 2 * _options.Interval;
        }

        if (!contradicted)
        {
            Lose(now, peer, LossEvidence.ProcessGone, findings);
        }
    }

    private void OnRefused(Instant now, HeartbeatConnectionRefused refused, IList<HeartbeatFinding> findings)
    {
        if (_peers.TryGetValue(refused.Peer, out Peer? peer))
        {
            Array.Clear(peer.Up);
            Lose(now, peer, LossEvidence.ProcessGone, findings);
        }
    }

    private void OnTick(Instant now, IList<HeartbeatFinding> findings)
    {
        findings.Add(new HeartbeatFinding.SendHeartbeats());
        NoteStall(now, findings);
        TimeSpan extra = now < _extraUntil ? _extra : TimeSpan.Zero;
        foreach (Peer peer in _peers.Values)
        {
            if (peer.Identity is not { } identity)
            {
                continue;
            }

            if (peer.Lost is { } evidence)
            {
                if (now - peer.Told >= _options.RepeatAfter)
                {
                    peer.Told = now;
                    findings.Add(new HeartbeatFinding.Lost(identity, evidence));
                }

                continue;
            }

            bool silent = true;
            for (int link = 0; link < _links; link++)
            {
                silent &= !peer.Up[link] || now > peer.Detectors[link].Deadline() + extra;
            }

            if (silent)
            {
                Lose(now, peer, LossEvidence.Silence, findings);
            }
        }

        TellGateway(now, findings);
    }

    private void NoteStall(Instant now, IList<HeartbeatFinding> findings)
    {
        TimeSpan late = _lastTick is { } last ? now - last - _options.Interval : TimeSpan.Zero;
        if (late > _options.Interval / 2)
        {
            // For that time nobody here listened: it is nobody's silence.
            foreach (Peer peer in _peers.Values)
            {
                foreach (PhiDetector detector in peer.Detectors)
                {
                    detector.Forgive(late, now);
                }
            }
        }

        if (late > _options.StallThreshold)
        {
            _extra = late < _options.LostAtMost ? late : _options.LostAtMost;
            _extraUntil = now + _options.StallMemory;
            findings.Add(new HeartbeatFinding.Stalled(late));
        }

        _lastTick = now;
    }

    private static void Lose(Instant now, Peer peer, LossEvidence evidence, IList<HeartbeatFinding> findings)
    {
        if (peer.Identity is { } identity && peer.Lost is null)
        {
            peer.Lost = evidence;
            peer.Told = now;
            findings.Add(new HeartbeatFinding.Lost(identity, evidence));
        }
    }

    private static void Bury(Peer peer)
    {
        if (peer.Identity is { } old)
        {
            peer.DeadLives.Enqueue(old);
            if (peer.DeadLives.Count > RememberedLives)
            {
                peer.DeadLives.Dequeue();
            }
        }
    }

    private void TellGateway(Instant now, IList<HeartbeatFinding> findings)
    {
        if (_options.GatewayTimeout == TimeSpan.Zero)
        {
            return;
        }

        _gatewayHeard ??= now; // give it one time-out from the start
        bool reachable = now - _gatewayHeard.Value <= _options.GatewayTimeout;
        bool peerReaches = _peers.Values.Any(
            peer => peer.Identity is not null && peer.Lost is null && peer.ReachesGateway);
        if (_gatewayTold != (reachable, peerReaches))
        {
            _gatewayTold = (reachable, peerReaches);
            findings.Add(new HeartbeatFinding.Gateway(reachable, peerReaches));
        }
    }
}
