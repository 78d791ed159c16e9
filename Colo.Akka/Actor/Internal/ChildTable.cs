namespace Akka.Actor.Internal;

/// <summary>Why an actor waits for children to stop.</summary>
internal enum WaitReason
{
    /// <summary>It does not: children were stopped one by one.</summary>
    None,

    /// <summary>To be restarted.</summary>
    Recreation,

    /// <summary>To be created after a failed first try.</summary>
    Creation,

    /// <summary>To stop itself.</summary>
    Termination,
}

/// <summary>
/// The children of one actor by name, and which of them are on their way out. Locked, because paths are resolved and
/// top-level actors are made from any thread.
/// </summary>
internal sealed class ChildTable
{
    private const string NameDigits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+~";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, IChildStats> _byName = new(StringComparer.Ordinal);
    private HashSet<IActorRef> _stopping;
    private long _namesGiven;
    private bool _closed;

    public WaitReason Waiting { get; private set; }

    /// <summary>What the restart is for, while waiting for it.</summary>
    public Exception RecreationCause { get; private set; }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _byName.Count;
            }
        }
    }

    /// <summary>Takes a name, or makes one up for null.</summary>
    /// <exception cref="InvalidActorNameException">The name is taken.</exception>
    /// <exception cref="InvalidOperationException">The parent is stopping.</exception>
    public string Reserve(string name)
    {
        lock (_lock)
        {
            name ??= NextName();
            if (_closed || Waiting == WaitReason.Termination)
            {
                throw new InvalidOperationException($"Cannot reserve actor name '{name}': terminating");
            }

            if (!_byName.TryAdd(name, ChildNameReserved.Instance))
            {
                throw new InvalidActorNameException($"Actor name \"{name}\" is not unique!");
            }

            return name;
        }
    }

    public void Unreserve(string name)
    {
        lock (_lock)
        {
            if (_byName.TryGetValue(name, out var stats) && stats is ChildNameReserved)
            {
                _byName.Remove(name);
            }
        }
    }

    public void Add(ChildRestartStats stats)
    {
        lock (_lock)
        {
            _byName[stats.Child.Path.Name] = stats;
        }
    }

    public bool TryGetByName(string name, out IChildStats stats)
    {
        lock (_lock)
        {
            return _byName.TryGetValue(name, out stats);
        }
    }

    public bool TryGetByRef(IActorRef child, out ChildRestartStats stats)
    {
        stats = TryGetByName(child.Path.Name, out var found) ? found as ChildRestartStats : null;
        stats = stats is not null && stats.Child.Equals(child) ? stats : null;
        return stats is not null;
    }

    public ChildRestartStats[] Snapshot()
    {
        lock (_lock)
        {
            return _byName.Values.OfType<ChildRestartStats>().ToArray();
        }
    }

    /// <summary>The child was told to stop.</summary>
    public void MarkStopping(IActorRef child)
    {
        lock (_lock)
        {
            if (_byName.TryGetValue(child.Path.Name, out var stats) && stats is ChildRestartStats found
                && found.Child.Equals(child))
            {
                (_stopping ??= []).Add(found.Child);
            }
        }
    }

    /// <summary>False when no child is on its way out, so that there is nothing to wait for.</summary>
    public bool WaitFor(WaitReason reason, Exception cause = null)
    {
        lock (_lock)
        {
            if (_stopping is not { Count: > 0 })
            {
                return false;
            }

            Waiting = reason;
            RecreationCause = cause;
            return true;
        }
    }

    /// <summary>
    /// Forgets a child that has stopped. True when it was the last one waited for; then says for what.
    /// </summary>
    public bool Remove(IActorRef child, out WaitReason reason, out Exception cause)
    {
        lock (_lock)
        {
            if (_byName.TryGetValue(child.Path.Name, out var stats) && stats is ChildRestartStats found
                && found.Child.Equals(child))
            {
                _byName.Remove(child.Path.Name);
            }

            (reason, cause) = (Waiting, RecreationCause);
            if (_stopping is null || !_stopping.Remove(child) || _stopping.Count > 0 || Waiting == WaitReason.None)
            {
                return false;
            }

            _stopping = null;
            (Waiting, RecreationCause) = (WaitReason.None, null);
            return true;
        }
    }

    /// <summary>The actor has stopped: no child can be made any more.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            _byName.Clear();
        }
    }

    private string NextName()
    {
        Span<char> buffer = stackalloc char[12];
        var length = 0;
        buffer[length++] = '$';
        var number = _namesGiven++;
        do
        {
            buffer[length++] = NameDigits[(int)(number & 63)];
            number >>= 6;
        }
        while (number > 0);

        return new string(buffer[..length]);
    }
}
