namespace Colo.Actors.Checkpoint;

/// <summary>Times and bounds of checkpoints. Immutable; <see cref="Validate"/> names every violated relation at
/// once.</summary>
public sealed record CheckpointOptions
{
    /// <summary>How the pair starts. Default Colo.</summary>
    public ReplicationMode Mode { get; init; } = ReplicationMode.Colo;

    /// <summary>Longest time between two checkpoints while comparing. Default 20 s, as in QEMU.</summary>
    public TimeSpan ColoPeriod { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Time between two checkpoints in mode periodic. Default 100 ms.</summary>
    public TimeSpan PeriodicPeriod { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Shortest time from "loaded" to the next request, so that a storm of mismatches leaves the guest time to run.
    /// Default 10 ms.
    /// </summary>
    public TimeSpan Floor { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>The secondary must answer a request within this time. Default 2 s; it only has to pause.</summary>
    public TimeSpan ReplyTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Capture, streaming and verification must end within this time. Default 10 s.</summary>
    public TimeSpan TransferTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A committed image must be loaded within this time. Default 5 s.</summary>
    public TimeSpan LoadTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>So many refused images in a row make the secondary lost. Default 3.</summary>
    public int RejectionsMax { get; init; } = 3;

    /// <summary>Mode auto: this many checkpoints forced by answers within <see cref="AutoWindow"/> change to periodic.
    /// Default 20.</summary>
    public int AutoCheckpoints { get; init; } = 20;

    /// <summary>Default 2 s.</summary>
    public TimeSpan AutoWindow { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Mode auto: first time until comparing is tried again; doubles with each failure. Default 5 s.</summary>
    public TimeSpan AutoReturn { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Upper bound of the doubling. Default 5 min.</summary>
    public TimeSpan AutoReturnMax { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>All violated relations, empty when the options make sense.</summary>
    public IReadOnlyList<string> Validate()
    {
        List<string> errors = [];
        Check(Floor > TimeSpan.Zero, $"Floor {Floor} must be positive");
        Check(PeriodicPeriod >= Floor, $"PeriodicPeriod {PeriodicPeriod} must not be below Floor {Floor}");
        Check(ColoPeriod >= PeriodicPeriod, $"ColoPeriod {ColoPeriod} must not be below PeriodicPeriod {PeriodicPeriod}");
        Check(ReplyTimeout > TimeSpan.Zero, $"ReplyTimeout {ReplyTimeout} must be positive");
        Check(TransferTimeout > TimeSpan.Zero, $"TransferTimeout {TransferTimeout} must be positive");
        Check(LoadTimeout > TimeSpan.Zero, $"LoadTimeout {LoadTimeout} must be positive");
        Check(RejectionsMax >= 1, $"RejectionsMax {RejectionsMax} must be at least 1");
        Check(AutoCheckpoints >= 2, $"AutoCheckpoints {AutoCheckpoints} must be at least 2");
        Check(AutoWindow > Floor * AutoCheckpoints, $"AutoWindow {AutoWindow} must exceed AutoCheckpoints x Floor, or it is never reached");
        Check(AutoReturn > AutoWindow, $"AutoReturn {AutoReturn} must exceed AutoWindow {AutoWindow}");
        Check(AutoReturnMax >= AutoReturn, $"AutoReturnMax {AutoReturnMax} must not be below AutoReturn {AutoReturn}");
        return errors;

        void Check(bool holds, string text)
        {
            if (!holds)
            {
                errors.Add(text);
            }
        }
    }
}
