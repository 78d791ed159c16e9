namespace Colo.Vmm.Block;

/// <summary>
/// Keeps changes of the same sectors apart, so that two places that get the same changes get them in the same
/// order. Ranges that don't overlap don't meet. Entering without a conflict allocates nothing.
/// </summary>
internal sealed class RangeLocks
{
    private readonly Lock _lock = new();
    private readonly List<Entry> _held = [];
    private readonly List<(Entry Range, TaskCompletionSource Source)> _waiting = [];

    /// <summary>Completes when no overlapping range is inside. Leave with the same numbers.</summary>
    public ValueTask EnterAsync(long offset, long length)
    {
        var range = new Entry(offset, offset + length);
        lock (_lock)
        {
            // Who came first goes first, or a stream of small changes could keep a large one out for ever.
            if (!Overlaps(_held, range) && (_waiting.Count == 0 || !IsAwaited(range)))
            {
                _held.Add(range);
                return default;
            }

            var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((range, source));
            return new(source.Task);
        }
    }

    public void Leave(long offset, long length)
    {
        lock (_lock)
        {
            _held.Remove(new Entry(offset, offset + length));
            for (var i = 0; i < _waiting.Count;)
            {
                var (range, source) = _waiting[i];
                var earlier = false;
                for (var j = 0; j < i && !earlier; j++)
                {
                    earlier = _waiting[j].Range.Overlaps(range);
                }

                if (earlier || Overlaps(_held, range))
                {
                    i++;
                    continue;
                }

                _held.Add(range);
                _waiting.RemoveAt(i);
                source.SetResult();
            }
        }
    }

    private bool IsAwaited(Entry range) => _waiting.Exists(waiter => waiter.Range.Overlaps(range));

    private static bool Overlaps(List<Entry> entries, Entry range)
    {
        foreach (var entry in entries)
        {
            if (entry.Overlaps(range))
            {
                return true;
            }
        }

        return false;
    }

    private readonly record struct Entry(long Start, long End)
    {
        public bool Overlaps(Entry other) => Start < other.End && other.Start < End;
    }
}
