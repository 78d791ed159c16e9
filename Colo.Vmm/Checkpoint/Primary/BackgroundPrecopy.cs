using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>What one step of sending ahead did.</summary>
/// <param name="SentPages">Pages sent.</param>
/// <param name="Delay">How long the owner should wait before the next step.</param>
/// <param name="LinkLost">The link is gone; there is nothing to step any more.</param>
public readonly record struct PrecopyStep(int SentPages, TimeSpan Delay, bool LinkLost);

/// <summary>
/// Sends pages ahead between checkpoints, so that the next one has little left to send. Pages that were written in the
/// last interval are left alone: they will most likely be written again, and a page that is written after it was sent
/// has to be sent once more. Has no thread and no clock of its own: the owner calls <see cref="Step"/> when the time it
/// was told has passed. A step and a checkpoint exclude each other.
/// </summary>
public sealed class BackgroundPrecopy
{
    private readonly PrimaryCheckpointSender _sender;
    private readonly PrecopyOptions _options;
    private readonly TimeProvider _time;
    private readonly RateLimit _rate;
    private readonly DirtyPages _batch;
    private readonly DirtyPages _recent;
    private long _collected;
    private bool _hasCollected;
    private int _cursor;
    private ulong _askedForEpoch;

    public BackgroundPrecopy(PrimaryCheckpointSender sender, PrecopyOptions options)
    {
        ArgumentNullException.ThrowIfNull(sender);
        ArgumentNullException.ThrowIfNull(options);
        var errors = options.Validate();
        if (errors.Count > 0)
        {
            throw new ArgumentException(string.Join("; ", errors), nameof(options));
        }

        _sender = sender;
        _options = options;
        _time = sender.Time;
        // A quarter of a second may be saved up while a checkpoint kept us from sending, but at least one step.
        var burst = Math.Max(options.BytesPerSecond / 4, (long)options.PagesPerStep * FrameLimits.PageSize);
        _rate = new RateLimit(_time, options.BytesPerSecond, burst);
        var pages = sender.Machine.Ram.PageCount;
        _batch = new DirtyPages(pages);
        _recent = new DirtyPages(pages);
    }

    /// <summary>Pages sent ahead since the beginning, repetitions counted.</summary>
    public long SentPages { get; private set; }

    /// <summary>Sends at most one batch ahead of the next checkpoint.</summary>
    /// <param name="next">Term and, at least, epoch of the next checkpoint.</param>
    /// <param name="cancellation">Ends the step between two chunks.</param>
    public PrecopyStep Step(CheckpointStamp next, CancellationToken cancellation)
    {
        lock (_sender.Busy)
        {
            if (_sender.LinkFailure != LinkFailure.None)
            {
                return new PrecopyStep(0, TimeSpan.Zero, LinkLost: true);
            }

            if (!_sender.PeerIsReplica)
            {
                return new PrecopyStep(0, _options.CollectInterval, LinkLost: false);
            }

            CollectWhenDue();
            var room = (int)(_sender.PeerStagedMax * _options.StagedShareMax) - _sender.StagedPages;
            if (room <= 0)
            {
                AskForCheckpoint(next);
                return new PrecopyStep(0, _options.CollectInterval, LinkLost: false);
            }

            var allowed = Math.Min(_rate.Available / FrameLimits.PageSize, Math.Min(_options.PagesPerStep, room));
            var chosen = Choose((int)Math.Max(0, allowed));
            if (chosen == 0)
            {
                // With leave to send and nothing to send, the next collection is the soonest that can change that.
                return new PrecopyStep(0, allowed > 0 ? _options.CollectInterval : Min(_options.CollectInterval, WaitForRate()), LinkLost: false);
            }

            var before = _sender.BytesWritten;
            var end = _sender.SendAhead(next, _batch, cancellation);
            _rate.Spend(_sender.BytesWritten - before);
            SentPages += chosen;
            return new PrecopyStep(chosen, Min(_options.CollectInterval, WaitForRate()), end == SendEnd.Failed);
        }
    }

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;

    private TimeSpan WaitForRate() => _rate.TimeUntil((long)_options.PagesPerStep * FrameLimits.PageSize);

    private void CollectWhenDue()
    {
        var now = _time.GetTimestamp();
        if (_hasCollected && _time.GetElapsedTime(_collected, now) < _options.CollectInterval)
        {
            return;
        }

        _hasCollected = true;
        _collected = now;
        var written = _sender.CollectDirty();
        _recent.Clear();
        _recent.UnionWith(written);
        _sender.Machine.Ram.ReturnDirty(written);
    }

    /// <summary>Takes pending pages that have cooled down, going round through memory.</summary>
    private int Choose(int most)
    {
        _batch.Clear();
        var chosen = 0;
        var pending = _sender.Ledger.Pending;
        var start = _cursor;
        for (var pass = 0; pass < 2 && chosen < most; pass++)
        {
            while (chosen < most && pending.NextSet(ref _cursor, out var page) && (pass == 0 || page < start))
            {
                if (!_recent.Contains(page))
                {
                    _batch.Add(page);
                    chosen++;
                }
            }

            if (chosen < most)
            {
                _cursor = 0;
            }
        }

        return chosen;
    }

    private void AskForCheckpoint(CheckpointStamp next)
    {
        if (_askedForEpoch != next.Epoch)
        {
            _askedForEpoch = next.Epoch;
            _sender.Hooks.CheckpointWanted(CheckpointWantedReason.PrecopyFull);
        }
    }
}
