namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// What else a machine has that takes part in checkpoints: comparers, rewriters, disks. Each registers what it has
/// to do.
/// </summary>
internal sealed class ReplicationHooks
{
    private readonly Lock _gate = new();
    private readonly List<IReplicationPart> _parts = [];
    private volatile ReplicationRole _role;

    /// <summary>A part wants a checkpoint now.</summary>
    public event Action? CheckpointWanted;

    /// <summary>What the machine is in COLO now, from <see cref="Begin"/> to <see cref="End"/>.</summary>
    public ReplicationRole Role => _role;

    public void Add(IReplicationPart part)
    {
        lock (_gate)
        {
            _parts.Add(part);
        }
    }

    public void Remove(IReplicationPart part)
    {
        lock (_gate)
        {
            _parts.Remove(part);
        }
    }

    public void WantCheckpoint() => CheckpointWanted?.Invoke();

    /// <summary>COLO begins; the first error is returned, and then <see cref="End"/> has to follow.</summary>
    public string? Begin(ReplicationRole role)
    {
        _role = role;
        return Each(part => part.Start(role));
    }

    /// <summary>This host goes on alone; every part is told, and the first error returned.</summary>
    public string? End(ReplicationRole role)
    {
        _role = ReplicationRole.None;
        string? first = null;
        All(part => first = part.FailedOver(role) is { } error ? first ?? error : first);
        return first;
    }

    /// <summary>In the order of registration; the first error ends the round and is returned.</summary>
    public string? Each(Func<IReplicationPart, string?> action)
    {
        foreach (IReplicationPart part in Parts())
        {
            if (action(part) is { } error)
            {
                return error;
            }
        }

        return null;
    }

    public void All(Action<IReplicationPart> action)
    {
        foreach (IReplicationPart part in Parts())
        {
            action(part);
        }
    }

    private IReplicationPart[] Parts()
    {
        lock (_gate)
        {
            return [.. _parts];
        }
    }
}
