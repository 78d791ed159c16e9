namespace Colo.Actors.Heartbeat;

/// <summary>Times of the heartbeats. Immutable; <see cref="Validate"/> names every violated relation at once.</summary>
public sealed record HeartbeatOptions
{
    /// <summary>Time between two heartbeats on each link. Default 50 ms.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Suspicion at which a link counts as silent; 8 is one false alarm in 10^8 heartbeats. Default 8.</summary>
    public double Threshold { get; init; } = 8;

    /// <summary>A link silent for this long is silent, whatever phi says. Default 400 ms.</summary>
    public TimeSpan LostAfter { get; init; } = TimeSpan.FromMilliseconds(400);

    /// <summary>A silence shorter than this is never a loss. Default 150 ms.</summary>
    public TimeSpan PauseAccepted { get; init; } = TimeSpan.FromMilliseconds(150);

    /// <summary>How often the monitor looks. Default 20 ms.</summary>
    public TimeSpan LookInterval { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>All violated relations, empty when the options make sense.</summary>
    public IReadOnlyList<string> Validate()
    {
        List<string> errors = [];
        if (LostAfter <= Interval * 3)
        {
            errors.Add($"LostAfter {LostAfter} must exceed 3 x Interval {Interval}");
        }

        if (PauseAccepted >= LostAfter)
        {
            errors.Add($"PauseAccepted {PauseAccepted} must be below LostAfter {LostAfter}");
        }

        if (Threshold <= 0)
        {
            errors.Add($"Threshold {Threshold} must be positive");
        }

        return errors;
    }
}
