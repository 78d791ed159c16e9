namespace Colo.Actors.Disk;

/// <summary>When the copy to a joiner is good enough, and when the guest is slowed for it.</summary>
public sealed record ResyncOptions
{
    /// <summary>So many dirty pages left (16 MiB) make a joining checkpoint short. Default 4096.</summary>
    public long ConvergedPages { get; init; } = 4096;

    /// <summary>After so many passes the joining checkpoint takes what is left. Default 10.</summary>
    public int RoundsMax { get; init; } = 10;

    /// <summary>A pass that leaves more than this share of what it sent dirty gains nothing. Percent, default
    /// 75.</summary>
    public int NoGainPercent { get; init; } = 75;

    /// <summary>Taken from the guest's share of time after each pass without gain. Percent, default 20.</summary>
    public int ThrottleStepPercent { get; init; } = 20;

    /// <summary>The guest keeps at least this share. Percent, default 20.</summary>
    public int ThrottleFloorPercent { get; init; } = 20;

    /// <summary>So long without a byte sent ends the attempt; progress is told about once a second. Default
    /// 30 s.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>All violated relations, empty when the options make sense.</summary>
    public IReadOnlyList<string> Validate()
    {
        List<string> errors = [];
        Check(ConvergedPages >= 0, $"ConvergedPages {ConvergedPages} must not be negative");
        Check(RoundsMax >= 1, $"RoundsMax {RoundsMax} must be at least 1");
        Check(NoGainPercent is > 0 and <= 100, $"NoGainPercent {NoGainPercent} must be 1 to 100");
        Check(ThrottleStepPercent is > 0 and < 100, $"ThrottleStepPercent {ThrottleStepPercent} must be 1 to 99");
        Check(ThrottleFloorPercent is > 0 and <= 100, $"ThrottleFloorPercent {ThrottleFloorPercent} must be 1 to 100");
        Check(StallTimeout > TimeSpan.Zero, $"StallTimeout {StallTimeout} must be positive");
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
