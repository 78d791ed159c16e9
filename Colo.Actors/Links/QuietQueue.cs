namespace Colo.Actors.Links;

/// <summary>
/// First in, first out, for one thread that waits for work. Waiting is sleeping: the framework's blocking collection
/// looks again and again for some hundred microseconds before it sleeps, which for a thread that wakes fifty times a
/// second, before all others, is a twentieth of a processor for nothing.
/// </summary>
/// <param name="bound">Most that wait.</param>
internal sealed class QuietQueue<T>(int bound = int.MaxValue)
{
    private readonly object gate = new();
    private readonly Queue<T> items = new();
    private bool completed;

    public int Count
    {
        get
        {
            lock (gate)
            {
                return items.Count;
            }
        }
    }

    /// <summary>Whether <see cref="Complete"/> was called.</summary>
    public bool IsAddingCompleted
    {
        get
        {
            lock (gate)
            {
                return completed;
            }
        }
    }

    /// <summary>Whether nothing will come out any more.</summary>
    public bool IsCompleted
    {
        get
        {
            lock (gate)
            {
                return completed && items.Count == 0;
            }
        }
    }

    /// <summary>Waits while the queue is full; false when it takes no more.</summary>
    public bool Add(T item)
    {
        lock (gate)
        {
            while (!completed && items.Count >= bound)
            {
                Monitor.Wait(gate);
            }

            return Put(item);
        }
    }

    /// <summary>False at once when the queue is full or takes no more.</summary>
    public bool TryAdd(T item)
    {
        lock (gate)
        {
            return items.Count < bound && Put(item);
        }
    }

    /// <summary>The oldest, waiting for one if there is none; false when the time is over or the queue
    /// completed.</summary>
    /// <param name="wait">Rounded up to milliseconds; null waits without an end.</param>
    public bool TryTake([System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out T item, TimeSpan? wait)
    {
        long? deadline = wait is { } limit
            ? Environment.TickCount64 + (long)Math.Ceiling(limit.TotalMilliseconds)
            : null;
        lock (gate)
        {
            while (items.Count == 0 && !completed)
            {
                long left = deadline is { } end ? end - Environment.TickCount64 : int.MaxValue;
                if (left <= 0)
                {
                    break;
                }

                Monitor.Wait(gate, (int)Math.Min(left, int.MaxValue));
            }

            if (!items.TryDequeue(out item))
            {
                return false;
            }

            if (items.Count == bound - 1)
            {
                Monitor.PulseAll(gate); // somebody may wait for room
            }

            return true;
        }
    }

    /// <summary>Takes no more; what is there still comes out.</summary>
    public void Complete()
    {
        lock (gate)
        {
            completed = true;
            Monitor.PulseAll(gate);
        }
    }

    private bool Put(T item)
    {
        if (completed)
        {
            return false;
        }

        items.Enqueue(item);
        Monitor.PulseAll(gate);
        return true;
    }
}
