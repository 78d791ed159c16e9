namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>How eagerly pages are sent ahead of the next checkpoint.</summary>
public sealed record PrecopyOptions
{
    /// <summary>Bytes a second that sending ahead may use; 64 MiB/s unless said otherwise.</summary>
    public long BytesPerSecond { get; init; } = 64L * 1024 * 1024;

    /// <summary>
    /// How often the dirty log is looked at. Each look costs the guest a pause of some microseconds and one slow store
    /// for each page that it goes on writing to.
    /// </summary>
    public TimeSpan CollectInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Most pages in one call of <see cref="BackgroundPrecopy.Step"/>, so that a checkpoint never waits
    /// long.</summary>
    public int PagesPerStep { get; init; } = 256;

    /// <summary>Share of the secondary's staging room that pages sent ahead may fill before a checkpoint is asked
    /// for.</summary>
    public double StagedShareMax { get; init; } = 0.5;

    /// <summary>All violations at once; empty when the options hold together.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new List<string>();
        if (BytesPerSecond < FrameLimits.PageSize)
        {
            errors.Add($"{nameof(BytesPerSecond)} is {BytesPerSecond}, expected {FrameLimits.PageSize} or more");
        }

        if (CollectInterval <= TimeSpan.Zero)
        {
            errors.Add($"{nameof(CollectInterval)} is {CollectInterval}, expected more than zero");
        }

        if (PagesPerStep < 1)
        {
            errors.Add($"{nameof(PagesPerStep)} is {PagesPerStep}, expected 1 or more");
        }

        if (StagedShareMax is not (> 0 and <= 1))
        {
            errors.Add($"{nameof(StagedShareMax)} is {StagedShareMax}, expected more than 0 and at most 1");
        }

        return errors;
    }
}
