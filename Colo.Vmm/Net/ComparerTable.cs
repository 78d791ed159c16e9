namespace Colo.Vmm.Net;

/// <summary>
/// The comparer's connections: by key, by last use, and those that have frames waiting. Bounded; at the bound the
/// connection that has been idle longest makes room, and never one that holds frames (QEMU drops the whole table
/// with its frames).
/// </summary>
internal sealed class ComparerTable
{
    private readonly Dictionary<ConnectionKey, ComparerConnection> connections;
    private readonly Stack<ComparerConnection> spare = new();
    private readonly int limit;
    private ComparerConnection? oldest;
    private ComparerConnection? newest;

    public ComparerTable(int limit)
    {
        this.limit = limit;
        connections = new Dictionary<ConnectionKey, ComparerConnection>(limit);
    }

    public int Count => connections.Count;

    public long Evicted { get; private set; }

    /// <summary>The first of the connections that have frames, in order of getting busy.</summary>
    public ComparerConnection? FirstBusy { get; private set; }

    private ComparerConnection? LastBusy { get; set; }

    [HotPath]
    public ComparerConnection? Find(in ConnectionKey key)
    {
        if (!connections.TryGetValue(key, out var connection))
        {
            return null;
        }
        if (connection != newest)
        {
            UnlinkUse(connection);
            LinkUse(connection);
        }
        return connection;
    }

    /// <summary>Connections by last use, the latest first; for whoever looks on, who must not change
    /// anything meanwhile.</summary>
    public IEnumerable<ComparerConnection> NewestFirst()
    {
        for (var connection = newest; connection is not null; connection = connection.OlderInUse)
        {
            yield return connection;
        }
    }

    /// <summary>A new connection; null when all of them are busy.</summary>
    public ComparerConnection? TryAdd(in ConnectionKey key, FrameEpoch committed)
    {
        if (connections.Count >= limit && !TryEvict())
        {
            return null;
        }
        if (!spare.TryPop(out var connection))
        {
            connection = new ComparerConnection();
        }
        connection.Reset(key, committed);
        connections.Add(key, connection);
        LinkUse(connection);
        return connection;
    }

    /// <summary>Puts a connection on or takes it off the busy list, by whether it has frames.</summary>
    public void UpdateBusy(ComparerConnection connection)
    {
        var isBusy = connection.PrimaryQueue.Count != 0 || connection.SecondaryQueue.Count != 0;
        if (isBusy == connection.IsBusy)
        {
            return;
        }
        connection.IsBusy = isBusy;
        if (isBusy)
        {
            connection.PreviousBusy = LastBusy;
            connection.NextBusy = null;
            if (LastBusy is null)
            {
                FirstBusy = connection;
            }
            else
            {
                LastBusy.NextBusy = connection;
            }
            LastBusy = connection;
            return;
        }
        if (connection.PreviousBusy is null)
        {
            FirstBusy = connection.NextBusy;
        }
        else
        {
            connection.PreviousBusy.NextBusy = connection.NextBusy;
        }
        if (connection.NextBusy is null)
        {
            LastBusy = connection.PreviousBusy;
        }
        else
        {
            connection.NextBusy.PreviousBusy = connection.PreviousBusy;
        }
        connection.PreviousBusy = null;
        connection.NextBusy = null;
    }

    private bool TryEvict()
    {
        // Busy connections at the old end are few: to be busy for long means to wait for a checkpoint. The search
        // is bounded all the same.
        var candidate = oldest;
        for (var steps = 0; candidate is not null && candidate.IsBusy && steps < 64; steps++)
        {
            candidate = candidate.NewerInUse;
        }
        if (candidate is null || candidate.IsBusy)
        {
            return false;
        }
        UnlinkUse(candidate);
        connections.Remove(candidate.Key);
        spare.Push(candidate);
        Evicted++;
        return true;
    }

    private void LinkUse(ComparerConnection connection)
    {
        connection.OlderInUse = newest;
        connection.NewerInUse = null;
        if (newest is null)
        {
            oldest = connection;
        }
        else
        {
            newest.NewerInUse = connection;
        }
        newest = connection;
    }

    private void UnlinkUse(ComparerConnection connection)
    {
        if (connection.OlderInUse is null)
        {
            oldest = connection.NewerInUse;
        }
        else
        {
            connection.OlderInUse.NewerInUse = connection.NewerInUse;
        }
        if (connection.NewerInUse is null)
        {
            newest = connection.OlderInUse;
        }
        else
        {
            connection.NewerInUse.OlderInUse = connection.OlderInUse;
        }
    }
}
