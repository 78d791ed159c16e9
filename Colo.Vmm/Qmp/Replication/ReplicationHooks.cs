namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// What else a machine has that takes part in checkpoints: comparers, rewriters, disks. Each registers what it has
/// to do.
/// </summary>
internal sealed class ReplicationHooks
{
    private readonly Lock _gate = new();
    private readonly List<IReplicationPart> _parts = [];

    /// <summary>A part wants a checkpoint now.</summary>
    public event Action? CheckpointWanted;

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

    /// <summary>In the order of registration; the first error ends the round and is returned.</summary>
    public string? Each(Func<IReplicationPart, string?> action)
    {
        IReplicationPart[] parts;
        lock (_gate)
        {
            parts = [.. _parts];
        }

        foreach (IReplicationPart part in parts)
        {
            if (action(part) is { } error)
            {
                return error;
            }
        }

        return null;
    }
}
