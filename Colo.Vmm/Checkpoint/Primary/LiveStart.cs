namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>Where a live start stands after a round.</summary>
/// <param name="Round">1 and up.</param>
/// <param name="Pages">Pages of this round by kind.</param>
/// <param name="Bytes">Bytes of this round on the wire.</param>
/// <param name="Time">Duration of the round.</param>
/// <param name="RemainingPages">Pages that the guest wrote meanwhile.</param>
/// <param name="ThrottleShare">Share of its time that the guest is asked to stand still from now on.</param>
public readonly record struct LiveStartProgress(
    int Round, PageCounts Pages, long Bytes, TimeSpan Time, int RemainingPages, double ThrottleShare)
{
    /// <summary>Pages a second that the guest wrote for the first time in this round.</summary>
    public double DirtyPagesPerSecond => Time > TimeSpan.Zero ? RemainingPages / Time.TotalSeconds : 0;

    /// <summary>Bytes a second that went over the link.</summary>
    public double BytesPerSecond => Time > TimeSpan.Zero ? Bytes / Time.TotalSeconds : 0;
}

/// <summary>How a live start ended.</summary>
/// <param name="IsProtected">The secondary has committed the first checkpoint.</param>
/// <param name="Converged">The rest became small enough; false when the rounds ran out.</param>
/// <param name="Rounds">Rounds over memory.</param>
/// <param name="Bytes">Bytes over all rounds, the checkpoint not counted.</param>
/// <param name="Checkpoint">The first checkpoint; null when it did not come to that.</param>
public sealed record LiveStartReport(
    bool IsProtected, bool Converged, int Rounds, long Bytes, CheckpointReport? Checkpoint);

/// <summary>
/// Protects a guest that is running already: copies all memory while it runs, in rounds over what it has written
/// meanwhile, until the rest is small or the rounds are used up; then one checkpoint like any other makes the copy a
/// replica. The guest is paused for nothing but looks at the dirty log and that checkpoint's capture.
/// The secondary writes these pages straight into its RAM: until the first commit it has no state worth protecting.
/// </summary>
public sealed class LiveStart
{
    private const double ThrottleShareMax = 0.9;

    private readonly PrimaryCheckpointSender _sender;
    private readonly LiveStartOptions _options;
    private double _throttle;

    public LiveStart(PrimaryCheckpointSender sender, LiveStartOptions options)
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
    }

    /// <summary>Copies everything and takes the first checkpoint. Blocks; may be called again after a
    /// failure.</summary>
    /// <param name="first">Term and epoch of the first checkpoint.</param>
    /// <param name="progress">Called after each round, on the calling thread.</param>
    /// <param name="cancellation">Ends the copying between two chunks, or aborts the checkpoint.</param>
    public LiveStartReport Run(
        CheckpointStamp first, Action<LiveStartProgress>? progress, CancellationToken cancellation)
    {
        lock (_sender.Busy)
        {
            LiveStartReport copied = CopyRounds(first, progress, cancellation, out bool lost);
            if (lost)
            {
                return copied;
            }

            var report = _sender.Run(first, cancellation);
            return copied with { IsProtected = report.IsCommitted, Checkpoint = report };
        }
    }

    /// <summary>Copies everything and leaves the first checkpoint to the caller, who may give it this epoch or a
    /// higher one.</summary>
    /// <param name="first">Term and lowest epoch of the first checkpoint.</param>
    /// <param name="progress">Called after each round, on the calling thread.</param>
    /// <param name="cancellation">Ends the copying between two chunks.</param>
    /// <param name="lost">True when the copy did not come to its end: the link broke or the caller cancelled.</param>
    public LiveStartReport CopyRounds(
        CheckpointStamp first, Action<LiveStartProgress>? progress, CancellationToken cancellation, out bool lost)
    {
        lock (_sender.Busy)
        {
            lost = true;
            var before = _sender.BytesWritten;
            if (!_sender.StartOver(first, cancellation))
            {
                return new LiveStartReport(false, false, 0, _sender.BytesWritten - before, null);
            }

            var rounds = 0;
            var converged = false;
            try
            {
                while (!converged && rounds < _options.RoundsMax)
                {
                    if (!TryRound(++rounds, first, progress, cancellation))
                    {
                        return new LiveStartReport(false, false, rounds, _sender.BytesWritten - before, null);
                    }

                    converged = _sender.PendingPages <= _options.FinalPagesMax;
                }

                lost = false;
                return new LiveStartReport(false, converged, rounds, _sender.BytesWritten - before, null);
            }
            finally
            {
                SetThrottle(0);
            }
        }
    }

    private bool TryRound(
        int round, CheckpointStamp first, Action<LiveStartProgress>? progress, CancellationToken cancellation)
    {
        var begin = _sender.Time.GetTimestamp();
        var bytes = _sender.BytesWritten;
        var pages = _sender.CountsSinceReset;
        var before = _sender.PendingPages;
        if (_sender.SendAhead(first, _sender.Ledger.Pending, cancellation) != SendEnd.Done)
        {
            return false;
        }

        _sender.Machine.Ram.ReturnDirty(_sender.CollectDirty());
        var remaining = _sender.PendingPages;
        if (remaining > _options.FinalPagesMax && remaining > before / 2)
        {
            // A round that does not halve the rest is one that the guest outruns.
            SetThrottle(Math.Min(_throttle + _options.ThrottleStep, ThrottleShareMax));
        }

        var now = _sender.CountsSinceReset;
        progress?.Invoke(new LiveStartProgress(
            round,
            new PageCounts(now.Raw - pages.Raw, now.Zero - pages.Zero, now.Delta - pages.Delta, now.Equal - pages.Equal),
            _sender.BytesWritten - bytes,
            _sender.Time.GetElapsedTime(begin),
            remaining,
            _options.Throttle is null ? 0 : _throttle));
        return true;
    }

    private void SetThrottle(double share)
    {
        if (_options.Throttle is not null && share != _throttle)
        {
            _options.Throttle(share);
        }

        _throttle = share;
    }
}
