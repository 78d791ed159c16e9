using Colo.Actors.Protocol;

namespace Colo.Actors.Heartbeat;

/// <summary>
/// Who is there, seen from one node, over several links.
/// <code>
/// unknown -> heard -> lost (silence on every link | process gone) -> heard again
/// </code>
/// Silence counts when every link is past its detector's deadline; a process that is gone counts at once: reset or
/// refused on one link, when no other speaks. One link of several that is silent for a while is told, and nothing
/// follows from it. Promises L2: a host that was stalled itself accuses nobody for that time (the idea of Lifeguard,
/// Dadgar et al. 2018), and tells whether it is itself that is cut off (gateway). When all peers are silent it says so
/// for each; it decides nothing.
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

    private sealed class Peer(int configured, int links, HeartbeatOptions options)
    {
        /// <summary>How many links lead to it; others may have more.</summary>
        public int Configured => configured;

        public HostIdentity? Identity { get; set; }

        public PhiDetector[] Detectors { get; } = [.. Enumerable.Range(0, links).Select(_ => new PhiDetector(options))];

        public bool[] Up { get; } = new bool[links];

        /// <summary>Links that are up as far as anybody knows, and over which nothing comes while others
        /// speak.</summary>
        public bool[] Quiet { get; } = new bool[links];

        public Queue<HostIdentity> DeadLives { get; } = new();

        public LossEvidence? Lost { get; set; }

        public Instant Told { get; set; }

        public long Facts { get; set; }

        public bool ReachesGateway { get; set; } = true;
    }

    /// <param name="peers">Every other node, and how many links lead to it.</param>
    public HeartbeatMonitor(IReadOnlyList<(HostId Host, int Links)> peers, HeartbeatOptions options)
    {
        _options = options;
        _links = peers.Select(peer => peer.Links).DefaultIfEmpty(1).Max();
        foreach ((HostId host, int links) in peers)
        {
            _peers.Add(host, new Peer(links, _links, options));
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
            entry.Key, entry.Value.Identity, AgeOf(entry.Key, now), entry.Value.Lost, LinksOf(entry.Value),
            entry.Value.ReachesGateway)),
    ];

    private static bool[] LinksOf(Peer peer) =>
    [
        .. Enumerable.Range(0, peer.Configured)
            .Select(link => peer.Lost is null && peer.Up[link] && !peer.Quiet[link]),
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

        bool back = peer.Lost is not null;
        if (back)
        {
            // The others have their full time to speak again.
            Array.ForEach(peer.Detectors, detector => detector.Restart(now));
        }

        if (!peer.Up[received.Link] || peer.Quiet[received.Link])
        {
            peer.Up[received.Link] = true;
            peer.Quiet[received.Link] = false;
            peer.Detectors[received.Link].Restart(now);
            findings.Add(new HeartbeatFinding.Link(received.From.Host, received.Link, Up: true));
        }

        peer.Detectors[received.Link].Heard(now);
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
        if (!peer.Quiet[reset.Link])
        {
            findings.Add(new HeartbeatFinding.Link(reset.Peer, reset.Link, Up: false));
        }

        peer.Quiet[reset.Link] = false;

        if (!SpeaksOverAnother(now, peer, reset.Link))
        {
            Lose(now, peer, LossEvidence.ProcessGone, findings);
        }
    }

    private void OnRefused(Instant now, HeartbeatConnectionRefused refused, IList<HeartbeatFinding> findings)
    {
        if (_peers.TryGetValue(refused.Peer, out Peer? peer) && !SpeaksOverAnother(now, peer, refused.Link))
        {
            Array.Clear(peer.Up);
            Array.Clear(peer.Quiet);
            Lose(now, peer, LossEvidence.ProcessGone, findings);
        }
    }

    /// <summary>A link that still speaks contradicts another one's end; one that is late by more than two beats does
    /// not.</summary>
    private bool SpeaksOverAnother(Instant now, Peer peer, int ended)
    {
        bool speaks = false;
        for (int link = 0; link < _links; link++)
        {
            speaks |= link != ended && peer.Up[link] && now - peer.Detectors[link].Last <= 2 * _options.Interval;
        }

        return speaks;
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
            else
            {
                NoteQuiet(now, extra, peer, identity.Host, findings);
            }
        }

        TellGateway(now, findings);
    }

    /// <summary>One link that is silent when others are not: later than a loss, because nothing follows from
    /// it.</summary>
    private void NoteQuiet(
        Instant now, TimeSpan extra, Peer peer, HostId host, IList<HeartbeatFinding> findings)
    {
        TimeSpan more = _options.LostAtMost + extra;
        for (int link = 0; link < _links; link++)
        {
            if (peer.Up[link] && !peer.Quiet[link] && now > peer.Detectors[link].Deadline() + more)
            {
                peer.Quiet[link] = true;
                findings.Add(new HeartbeatFinding.Link(host, link, Up: false));
            }
        }
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
