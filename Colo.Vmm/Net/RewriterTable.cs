namespace Colo.Vmm.Net;

/// <summary>
/// The rewriter's connections. Two lists, oldest first: entries that may be forgotten (offset 0, or ended long ago)
/// and those that must not, because a live connection would break. A full table forgets from the first list only
/// and otherwise refuses the new connection.
/// </summary>
internal sealed class RewriterTable
{
    private readonly Dictionary<ConnectionKey, RewriterEntry> entries;
    private readonly Stack<RewriterEntry> spare = new();
    private readonly int limit;
    private int generation;
    private RewriterEntry? firstEvictable;
    private RewriterEntry? lastEvictable;
    private RewriterEntry? lastTranslating;

    public RewriterTable(int limit)
    {
        this.limit = limit;
        entries = new Dictionary<ConnectionKey, RewriterEntry>(limit);
    }

    public int Count => entries.Count;

    public RewriterEntry? FirstTranslating { get; private set; }

    public bool HasTranslating => FirstTranslating is not null;

    /// <summary>The entry of a live or lately ended connection, brought up to the last load.</summary>
    [HotPath]
    public RewriterEntry? Find(in ConnectionKey key, TimeSpan now)
    {
        if (!entries.TryGetValue(key, out var entry))
        {
            return null;
        }
        if (entry.ForgetAt < now)
        {
            Remove(entry);
            return null;
        }
        if (entry.Generation != generation)
        {
            entry.Align(generation);
        }
        return entry;
    }

    /// <summary>As <see cref="Find"/> for whoever only looks: nothing changes.</summary>
    public RewriterEntry? Peek(in ConnectionKey key) =>
        entries.TryGetValue(key, out var entry) && entry.Generation == generation ? entry : null;

    public RewriterEntry? TryAdd(in ConnectionKey key, TimeSpan now)
    {
        if (entries.Count >= limit && !TryMakeRoom(now))
        {
            return null;
        }
        if (!spare.TryPop(out var entry))
        {
            entry = new RewriterEntry();
        }
        entry.Begin(key, generation);
        entries.Add(key, entry);
        entry.IsOnEvictable = true;
        Append(entry);
        return entry;
    }

    /// <summary>Puts an entry at the new end of the list where it now belongs.</summary>
    public void Place(RewriterEntry entry)
    {
        Unlink(entry);
        entry.IsOnEvictable = entry.IsOffsetKnown && entry.Offset == 0;
        Append(entry);
    }

    /// <summary>All offsets are void: everything may be forgotten. Entries are brought up to date when they are
    /// next seen.</summary>
    public void AlignAll()
    {
        generation++;
        for (var entry = FirstTranslating; entry is not null; entry = entry.Next)
        {
            entry.IsOnEvictable = true;
        }
        if (FirstTranslating is null)
        {
            return;
        }
        if (lastEvictable is null)
        {
            firstEvictable = FirstTranslating;
        }
        else
        {
            lastEvictable.Next = FirstTranslating;
            FirstTranslating.Previous = lastEvictable;
        }
        lastEvictable = lastTranslating;
        FirstTranslating = null;
        lastTranslating = null;
    }

    private bool TryMakeRoom(TimeSpan now)
    {
        if (firstEvictable is { } evictable)
        {
            Remove(evictable);
            return true;
        }
        // A bounded look for a connection that has ended, else for the oldest handshake that nobody completed: a
        // flood of SYNs must not keep live connections out, and a handshake that is forgotten costs a checkpoint at
        // most.
        RewriterEntry? halfOpen = null;
        var entry = FirstTranslating;
        for (var steps = 0; entry is not null && steps < 256; steps++, entry = entry.Next)
        {
            if (entry.ForgetAt < now)
            {
                Remove(entry);
                return true;
            }
            halfOpen ??= entry.IsOffsetKnown ? null : entry;
        }
        if (halfOpen is not null)
        {
            Remove(halfOpen);
        }
        return halfOpen is not null;
    }

    private void Remove(RewriterEntry entry)
    {
        Unlink(entry);
        entries.Remove(entry.Key);
        spare.Push(entry);
    }

    private void Append(RewriterEntry entry)
    {
        var last = entry.IsOnEvictable ? lastEvictable : lastTranslating;
        entry.Previous = last;
        entry.Next = null;
        if (last is not null)
        {
            last.Next = entry;
        }
        else if (entry.IsOnEvictable)
        {
            firstEvictable = entry;
        }
        else
        {
            FirstTranslating = entry;
        }
        if (entry.IsOnEvictable)
        {
            lastEvictable = entry;
        }
        else
        {
            lastTranslating = entry;
        }
    }

    private void Unlink(RewriterEntry entry)
    {
        if (entry.Previous is not null)
        {
            entry.Previous.Next = entry.Next;
        }
        else if (entry.IsOnEvictable)
        {
            firstEvictable = entry.Next;
        }
        else
        {
            FirstTranslating = entry.Next;
        }
        if (entry.Next is not null)
        {
            entry.Next.Previous = entry.Previous;
        }
        else if (entry.IsOnEvictable)
        {
            lastEvictable = entry.Previous;
        }
        else
        {
            lastTranslating = entry.Previous;
        }
    }
}
