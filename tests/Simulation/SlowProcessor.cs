namespace Colo.Simulation;

/// <summary>
/// A host's one processor. At its usual speed handling takes no time at all; while it is slow, and until it has caught
/// up, everything waits for its turn in the order in which it came.
/// </summary>
/// <param name="scheduler">The world's.</param>
/// <param name="waited">Told how long each thing that waited has waited, in microseconds.</param>
public sealed class SlowProcessor(SimScheduler scheduler, Action<long> waited)
{
    /// <summary>What handling one message, timer or step of the guest takes at the usual speed.</summary>
    private const long HandlingMicros = 5;

    private readonly Queue<(long Since, Action Action)> _queue = new();
    private long _life;
    private bool _working;

    /// <summary>How many times slower than usual; 1: not.</summary>
    public long Factor { get; set; } = 1;

    /// <summary>Slow, or still busy with what came while it was.</summary>
    public bool IsBehind => Factor > 1 || _queue.Count > 0;

    public void Run(Action action)
    {
        if (!IsBehind)
        {
            action();
            return;
        }

        _queue.Enqueue((scheduler.Now, action));
        if (!_working)
        {
            Work();
        }
    }

    /// <summary>The process is gone, and what waited with it.</summary>
    public void Clear()
    {
        _queue.Clear();
        _life++;
        _working = false;
    }

    private void Work()
    {
        _working = true;
        long life = _life;
        scheduler.After(HandlingMicros * Factor, () =>
        {
            if (life != _life)
            {
                return;
            }

            (long since, Action action) = _queue.Dequeue();
            waited(scheduler.Now - since);
            action();
            if (life == _life)
            {
                _working = false;
                if (_queue.Count > 0)
                {
                    Work();
                }
            }
        });
    }
}
