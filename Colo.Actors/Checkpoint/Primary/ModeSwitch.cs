using Colo.Actors.Protocol;

namespace Colo.Actors.Checkpoint.Primary;

/// <summary>
/// Which way of replicating is in force now. In mode auto it watches how often answers force a checkpoint: a full
/// window of them changes to periodic; after a while comparing is tried again, and each try that fails doubles the
/// while.
/// </summary>
internal sealed class ModeSwitch(CheckpointOptions options)
{
    private readonly Queue<Instant> _forced = new();
    private TimeSpan _return = options.AutoReturn;
    private Instant _comparingSince = Instant.Zero;

    public ReplicationMode Chosen { get; private set; } = options.Mode;

    /// <summary>Colo or Periodic, never Auto.</summary>
    public ReplicationMode InForce { get; private set; } =
        options.Mode == ReplicationMode.Periodic ? ReplicationMode.Periodic : ReplicationMode.Colo;

    public TimeSpan Period => InForce == ReplicationMode.Periodic ? options.PeriodicPeriod : options.ColoPeriod;

    public TimeSpan ReturnAfter => _return;

    public void Choose(ReplicationMode mode, Instant now)
    {
        Chosen = mode;
        _return = options.AutoReturn;
        Enter(mode == ReplicationMode.Periodic ? ReplicationMode.Periodic : ReplicationMode.Colo, now);
    }

    /// <summary>Counts one checkpoint. True when mode auto gives comparing up because of it.</summary>
    public bool CountCheckpoint(CheckpointReason reason, Instant now)
    {
        if (Chosen != ReplicationMode.Auto || InForce != ReplicationMode.Colo || !IsForcedByAnswers(reason))
        {
            return false;
        }

        _forced.Enqueue(now);
        while (_forced.Count > 0 && now - _forced.Peek() > options.AutoWindow)
        {
            _forced.Dequeue();
        }

        if (_forced.Count < options.AutoCheckpoints)
        {
            return false;
        }

        // A spell of good comparing earns the short wait back.
        _return = now - _comparingSince > _return ? options.AutoReturn : Min(_return * 2, options.AutoReturnMax);
        Enter(ReplicationMode.Periodic, now);
        return true;
    }

    /// <summary>The wait is over. True when comparing begins again.</summary>
    public bool TryComparing(Instant now)
    {
        if (Chosen != ReplicationMode.Auto || InForce != ReplicationMode.Periodic)
        {
            return false;
        }

        Enter(ReplicationMode.Colo, now);
        return true;
    }

    private static bool IsForcedByAnswers(CheckpointReason reason) =>
        reason is CheckpointReason.Mismatch or CheckpointReason.CompareTimeout or CheckpointReason.QueueFull;

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;

    private void Enter(ReplicationMode mode, Instant now)
    {
        InForce = mode;
        _forced.Clear();
        _comparingSince = now;
    }
}
