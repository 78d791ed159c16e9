namespace Colo.Actors.Checkpoint.Primary;

/// <summary>
/// Remembers that a checkpoint is wanted, not how often: a burst of mismatches costs one (L3; QEMU counted them in a
/// semaphore until 2020). Join and switchover are kept apart because their captures differ from the ordinary one.
/// </summary>
internal sealed class TriggerLatch
{
    private CheckpointReason? _ordinary;
    private bool _join;
    private bool _switchover;

    /// <summary>Whether an ordinary one is wanted already.</summary>
    public bool HasOrdinary => _ordinary is not null;

    public void Set(CheckpointReason reason)
    {
        switch (reason)
        {
            case CheckpointReason.Join:
                _join = true;
                break;
            case CheckpointReason.Switchover:
                _switchover = true;
                break;
            default:
                _ordinary ??= reason;
                break;
        }
    }

    /// <summary>The next one to take, or null. A switchover goes before an ordinary one, which it covers.</summary>
    public CheckpointReason? Peek() =>
        _join ? CheckpointReason.Join : _switchover ? CheckpointReason.Switchover : _ordinary;

    /// <summary>A capture with this reason begins: everything ordinary is covered by it, of the special ones only
    /// itself.</summary>
    public void ClearFor(CheckpointReason reason)
    {
        _ordinary = null;
        Drop(reason);
    }

    public void Drop(CheckpointReason reason)
    {
        _join &= reason != CheckpointReason.Join;
        _switchover &= reason != CheckpointReason.Switchover;
    }

    public void Clear() => (_ordinary, _join, _switchover) = (null, false, false);
}
