namespace Colo.Simulation;

/// <summary>
/// The only loop: take the earliest event, set the time, run it. Events of the same microsecond come in an order that
/// is drawn from the seed and reproducible; the sequence number makes the key unique.
/// </summary>
public sealed class SimScheduler(SeededRandom tieBreak, TraceSink trace)
{
    /// <summary>A run has some ten thousand events; this many mean a loop.</summary>
    private const long EventsMax = 2_000_000;

    private readonly PriorityQueue<Action, (long Time, ulong Tie, long Sequence)> _queue = new();
    private long _sequence;

    /// <summary>Microseconds since the start of the world.</summary>
    public long Now { get; private set; }

    public long Executed { get; private set; }

    /// <summary>What an event has found wrong where an exception would not get out: in an actor. Ends the
    /// run.</summary>
    public Exception? Failure { get; set; }

    public void At(long time, Action action) =>
        _queue.Enqueue(action, (Math.Max(time, Now), tieBreak.Next(), ++_sequence));

    public void After(long delay, Action action) => At(Now + delay, action);

    public bool Step()
    {
        if (!_queue.TryDequeue(out Action? action, out (long Time, ulong Tie, long Sequence) key))
        {
            return false;
        }

        Now = key.Time;
        if (++Executed > EventsMax)
        {
            throw new InvariantFailureException("L5", $"{EventsMax} events and no end: something answers itself");
        }

        trace.Mix(key.Time);
        trace.Mix(key.Sequence);
        action();
        return Failure is null ? true : throw Failure;
    }

    /// <summary>Runs until the time is reached or <paramref name="stop"/> says so.</summary>
    public void RunUntil(long time, Func<bool>? stop = null)
    {
        while (_queue.TryPeek(out _, out (long Time, ulong Tie, long Sequence) key) && key.Time <= time)
        {
            Step();
            if (stop is not null && stop())
            {
                return;
            }
        }

        Now = Math.Max(Now, time);
    }
}
