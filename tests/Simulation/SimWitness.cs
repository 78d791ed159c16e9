using Colo.Actors.Arbiter;

namespace Colo.Simulation;

/// <summary>
/// The arbiter of the world: the production rules over a file that is replaced before an answer is given. Its process
/// can die and start again from what the file has; the file can be an old one, or gone (F34). The oracle's ground truth
/// is what was granted, whatever of it the witness still knows.
/// </summary>
public sealed class SimWitness(SimWorld world)
{
    /// <summary>Longer than a question is under way: those of hosts that died meanwhile find nobody.</summary>
    private const long DownMicrosMin = 10_000;

    private readonly Stack<ArbiterRecord> _file = new();
    private readonly Queue<Action> _waiting = new();
    private (ArbiterRecord Next, ArbiterProposal Proposal)? _write;
    private long _life;
    private bool _dead;
    private Action? _atNextWrite;
    private Action? _atNextGrant;

    /// <summary>The newest record that was granted.</summary>
    public ArbiterRecord? Record => Truth.Record;

    public WitnessTruth Truth { get; } = new(world);

    /// <summary>Nobody gets an answer, though the process may live.</summary>
    public bool Down { get; set; }

    /// <summary>Something is wrong with it that a host may have to wait for.</summary>
    public bool IsTroubled => _dead || Record != Current;

    private ArbiterRecord? Current => _file.TryPeek(out ArbiterRecord? stored) ? stored : null;

    private SeededRandom Noise => world.Random("witness");

    /// <summary>Only where its process may die does a write of it take time.</summary>
    private bool IsMortal =>
        world.Options.FaultKinds.Any(kind => kind is FaultKind.WitnessRestarts or FaultKind.WitnessForgets);

    /// <summary>Asks over the network; the answer may be lost after the change was made, and a late question still
    /// counts.</summary>
    public void Ask(Place from, ArbiterProposal? proposal, Action<ArbiterAnswer> answered)
    {
        if (Lost(from, Place.Witness))
        {
            return;
        }

        world.Network.Carry(from, Place.Witness, () =>
        {
            if (!Down && !_dead)
            {
                _waiting.Enqueue(() => Decide(from, proposal, answered));
                Next();
            }
        });
    }

    /// <summary>The process dies, now or in the midst of its next write, and with <see
    /// cref="FaultKind.WitnessForgets"/> right after its next yes.</summary>
    public void Inject(Fault fault)
    {
        bool forgets = fault.Kind == FaultKind.WitnessForgets;
        bool all = forgets && Noise.Chance(300);
        bool restored = Noise.Chance(500);
        if (Noise.Chance(300))
        {
            Break();
        }
        else if (forgets)
        {
            _atNextGrant = Break;
        }
        else
        {
            _atNextWrite = Break;
        }

        void Break()
        {
            if (_dead || world.Healed)
            {
                return;
            }

            Stop();
            _dead = true;
            Story("dies");
            if (forgets && !world.Hosts.Any(host => host.Disk.IsLost))
            {
                Forget(all);
            }

            world.Scheduler.After(Math.Max(DownMicrosMin, fault.DurationMicros / 4), () => _dead = false);
            if (forgets && restored)
            {
                world.Scheduler.After(DownMicrosMin + fault.DurationMicros, Restore);
            }
        }
    }

    /// <summary>It runs, and has the newest record again: the operator has put it back.</summary>
    public void Heal()
    {
        (_atNextWrite, _atNextGrant) = (null, null);
        (Down, _dead) = (false, false);
        Restore();
    }

    /// <summary>
    /// Its storage has lost the last write, or all of them. Losing the last one alone has to be within the budget
    /// (<see cref="WitnessTruth.MayFallBackTo"/>), else all are lost.
    /// </summary>
    private void Forget(bool all)
    {
        if (_file.Count > 0 && !all)
        {
            _file.Pop();
            all = Current is { } before && !Truth.MayFallBackTo(before);
        }

        if (all)
        {
            _file.Clear();
        }

        world.Hits.Add(all ? "F34 witness: all is lost" : "F34 witness: the last write is lost");
        Story($"has {Current}, was {Record}");
    }

    private void Restore()
    {
        if (Record is { } record && record != Current)
        {
            Stop();
            _file.Push(Record ?? record);
            world.Hits.Add("F34 witness: the records are put back");
            Story($"has {Current} again");
        }
    }

    /// <summary>Questions are lost, and a write that is under way perhaps only after the file was replaced.</summary>
    private void Stop()
    {
        _life++;
        _waiting.Clear();
        if (_write is not { } write)
        {
            return;
        }

        _write = null;
        if (world.Mutant == Mutant.M23)
        {
            _file.Pop(); // it was never there
        }
        else if (Noise.Chance(500))
        {
            Keep(write.Next, write.Proposal);
        }

        world.Hits.Add("F34 witness: dies in a write");
    }

    private void Next()
    {
        while (_write is null && _waiting.TryDequeue(out Action? decide))
        {
            decide();
        }
    }

    private void Decide(Place from, ArbiterProposal? proposal, Action<ArbiterAnswer> answered)
    {
        ArbiterAnswer answer = proposal is null ? ArbiterRules.Read(Current) : ArbiterRules.Decide(Current, proposal);
        if (proposal is null || answer is not ArbiterAnswer.Granted { Record: var next } || next == Current)
        {
            Answer(from, answer, answered);
        }
        else if (IsMortal)
        {
            Write(next, proposal, () => Answer(from, answer, answered));
        }
        else
        {
            Keep(next, proposal);
            Answer(from, answer, answered);
        }
    }

    /// <summary>The file is replaced, and then the answer is given.</summary>
    private void Write(ArbiterRecord next, ArbiterProposal proposal, Action answer)
    {
        bool early = world.Mutant == Mutant.M23;
        if (early)
        {
            Keep(next, proposal);
            answer();
        }

        _write = (next, proposal);
        long life = _life;
        long micros = Noise.LogBetween(50, 20_000);
        if (_atNextWrite is { } dies)
        {
            _atNextWrite = null;
            world.Scheduler.After(Noise.Between(0, micros - 1), dies);
        }

        world.Scheduler.After(micros, () =>
        {
            if (life != _life)
            {
                return;
            }

            _write = null;
            if (!early)
            {
                Keep(next, proposal);
                answer();
            }

            if (_atNextGrant is { } forgets)
            {
                _atNextGrant = null;
                forgets();
            }

            Next();
        });
    }

    private void Keep(ArbiterRecord next, ArbiterProposal proposal)
    {
        Truth.Grant(Current, next, proposal);
        _file.Push(next);
        Story($"{next} by {proposal.By} {proposal.Claim}");
    }

    private void Answer(Place from, ArbiterAnswer answer, Action<ArbiterAnswer> answered)
    {
        if (!Lost(Place.Witness, from))
        {
            Truth.Tell(from, answer);
            world.Network.Carry(Place.Witness, from, () => answered(answer));
        }
    }

    private bool Lost(Place from, Place to) =>
        Down || _dead || world.Network.IsCut(from, to)
        || (world.Random("arbiter").Chance(world.Options.ArbiterLossPerMille) && !world.Healed);

    private void Story(string what) =>
        world.Trace.Line(world.Scheduler.Now, "witness", "-", $"{Record?.Term}", "", 0, what);
}
