namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>How all memory is copied to a new secondary while the guest runs.</summary>
public sealed record LiveStartOptions
{
    /// <summary>Most rounds over memory before the final checkpoint is taken anyway; 30 as in other live
    /// migrations.</summary>
    public int RoundsMax { get; init; } = 30;

    /// <summary>Pages left at which the rounds end and the final checkpoint is taken.</summary>
    public int FinalPagesMax { get; init; } = 1024;

    /// <summary>
    /// Called after a round that the guest outran, with the share of its time (0 to 1) that it should stand still from
    /// now on; with 0 at the end. Null: the guest is never slowed, and the rounds run out.
    /// </summary>
    public Action<double>? Throttle { get; init; }

    /// <summary>How much the share grows with each such round; up to 0.9.</summary>
    public double ThrottleStep { get; init; } = 0.2;

    /// <summary>All violations at once; empty when the options hold together.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new List<string>();
        if (RoundsMax < 1)
        {
            errors.Add($"{nameof(RoundsMax)} is {RoundsMax}, expected 1 or more");
        }

        if (FinalPagesMax < 0)
        {
            errors.Add($"{nameof(FinalPagesMax)} is {FinalPagesMax}, expected 0 or more");
        }

        if (ThrottleStep is not (> 0 and <= 0.9))
        {
            errors.Add($"{nameof(ThrottleStep)} is {ThrottleStep}, expected more than 0 and at most 0.9");
        }

        return errors;
    }
}
