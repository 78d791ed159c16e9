namespace Colo.Simulation;

/// <summary>The places that links join: hosts, the witness, the edge with the clients.</summary>
public enum Place
{
    A = 0,
    B = 1,
    C = 2,
    Witness = 3,
    Edge = 4,
}

/// <summary>
/// Delays and cuts of every ordered pair of places. Datagrams may be lost or come twice; streams are in order and wait
/// out a short cut, as TCP does, and break by a reset.
/// </summary>
public sealed class SimNetwork(SimScheduler scheduler, SeededRandom random, SwarmOptions options)
{
    private const int Places = 5;

    private readonly int[,] _cuts = new int[Places, Places];
    private bool _lossless;
    private readonly long[,] _extraDelay = new long[Places, Places];
    private readonly long[] _diskDelay = new long[Places];
    private readonly int[,] _clogs = new int[Places, Places];
    private readonly SortedDictionary<(Place From, Place To), List<Action>> _kept = [];

    /// <summary>A cut of one direction; cuts nest.</summary>
    public void Cut(Place from, Place to) => _cuts[(int)from, (int)to]++;

    public void Heal(Place from, Place to)
    {
        if (_cuts[(int)from, (int)to] > 0)
        {
            _cuts[(int)from, (int)to]--;
        }
    }

    public bool IsCut(Place from, Place to) => _cuts[(int)from, (int)to] > 0;

    /// <summary>Whether nothing of this direction arrives now: what is sent into a cut is lost, into a clog is
    /// kept.</summary>
    public bool IsBlocked(Place from, Place to) => IsCut(from, to) || _clogs[(int)from, (int)to] > 0;

    /// <summary>From now on everything of this direction is kept; clogs nest.</summary>
    public void Clog(Place from, Place to) => _clogs[(int)from, (int)to]++;

    /// <summary>What was kept comes all at once, in the order in which it was sent.</summary>
    public void Unclog(Place from, Place to)
    {
        ref int clogs = ref _clogs[(int)from, (int)to];
        clogs = Math.Max(0, clogs - 1);
        if (clogs == 0 && _kept.Remove((from, to), out List<Action>? kept))
        {
            for (int i = 0; i < kept.Count; i++)
            {
                scheduler.After(1 + i, kept[i]);
            }
        }
    }

    public void SetExtraDelay(Place from, Place to, long micros) => _extraDelay[(int)from, (int)to] = micros;

    /// <summary>How much longer a host's disk takes than usual.</summary>
    public long DiskDelayOf(Place host) => _diskDelay[(int)host];

    public void SetDiskDelay(Place host, long micros) => _diskDelay[(int)host] = micros;

    public void HealAll()
    {
        Array.Clear(_diskDelay);
        _lossless = true;
        Array.Clear(_cuts);
        Array.Clear(_extraDelay);
        foreach ((Place from, Place to) in _kept.Keys.ToList())
        {
            _clogs[(int)from, (int)to] = 1;
            Unclog(from, to);
        }

        Array.Clear(_clogs);
    }

    /// <summary>What is not lost: arrives after a delay, or when the clog is over.</summary>
    public void Carry(Place from, Place to, Action deliver) => Carry(from, to, deliver, Delay(from, to));

    private void Carry(Place from, Place to, Action deliver, long delay)
    {
        if (_clogs[(int)from, (int)to] == 0)
        {
            scheduler.After(delay, deliver);
            return;
        }

        if (!_kept.TryGetValue((from, to), out List<Action>? kept))
        {
            _kept[(from, to)] = kept = [];
        }

        kept.Add(deliver);
    }

    public long Delay(Place from, Place to)
    {
        long minimum = 40 + _extraDelay[(int)from, (int)to];
        return minimum + random.LogBetween(1, options.JitterMicros);
    }

    /// <summary>May be lost (cut, loss rate) or duplicated.</summary>
    public void Datagram(Place from, Place to, Action deliver)
    {
        if (IsCut(from, to) || (random.Chance(options.LossPerMille) && !_lossless))
        {
            return;
        }

        Carry(from, to, deliver);
        if (random.Chance(options.DuplicatePerMille))
        {
            Carry(from, to, deliver, Delay(from, to) + random.Between(0, 3_000));
        }
    }

    /// <summary>One direction of a stream: keeps order.</summary>
    public sealed class Lane(SimNetwork network, SimScheduler scheduler, Place from, Place to)
    {
        private readonly Queue<Action> _waiting = new();
        private long _last;
        private bool _polling;

        /// <summary>Everything that is under way is lost.</summary>
        public bool Broken { get; private set; }

        public void Break()
        {
            Broken = true;
            _waiting.Clear();
        }

        public void Send(Action deliver, long transferMicros = 0)
        {
            if (Broken)
            {
                return;
            }

            if (_waiting.Count > 0 || network.IsBlocked(from, to))
            {
                _waiting.Enqueue(deliver);
                Poll();
                return;
            }

            _last = Math.Max(_last + 1 + transferMicros, scheduler.Now + network.Delay(from, to) + transferMicros);
            scheduler.At(_last, () =>
            {
                if (!Broken)
                {
                    deliver();
                }
            });
        }

        private void Poll()
        {
            if (_polling)
            {
                return;
            }

            _polling = true;
            scheduler.After(5_000, () =>
            {
                _polling = false;
                if (Broken)
                {
                    return;
                }

                if (network.IsBlocked(from, to))
                {
                    Poll();
                    return;
                }

                List<Action> waiting = [.. _waiting];
                _waiting.Clear();
                waiting.ForEach(action => Send(action));
            });
        }
    }
}
