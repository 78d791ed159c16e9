namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>What the primary does to send less, and its bounds.</summary>
public sealed record PrimaryCheckpointOptions
{
    /// <summary>Pages of content in a chunk, 1 to 256. 32 pages stay in a second-level cache beside their copies on the
    /// way to and from the socket.</summary>
    public int ChunkPages { get; init; } = 32;

    /// <summary>Hot pages whose last sent content is kept for deltas, over all channels; 0 sends no deltas.</summary>
    public int DeltaCachePages { get; init; } = 2048;

    /// <summary>Compress chunk bodies. Worth it only on links slower than about 100 MB/s.</summary>
    public bool Compress { get; init; }

    /// <summary>
    /// Keep a 128-bit hash of what the secondary has of every page (16 bytes a page) and don't send a page that has
    /// become equal to it again. Costs a SHA-256 for each dirty page.
    /// </summary>
    public bool SkipEqualPages { get; init; }

    /// <summary>
    /// Pages that the guest may make us copy while a checkpoint is being sent; beyond it the guest is paused until the
    /// rest is on its way. Null: no bound but the size of the dirty set.
    /// </summary>
    public int? SavedPagesMax { get; init; }

    /// <summary>Threads that send pages, 1 or more; no more than there are page channels are used. Null: half as many
    /// as there are processors.</summary>
    public int? SendThreads { get; init; }

    internal LinkFeatures WantedFeatures =>
        (DeltaCachePages > 0 ? LinkFeatures.Delta : 0) | (Compress ? LinkFeatures.Compression : 0)
        | (SkipEqualPages ? LinkFeatures.Hashes : 0);

    /// <summary>All violations at once; empty when the options hold together.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new List<string>();
        if (ChunkPages is < 1 or > FrameLimits.PagesPerChunkMax)
        {
            errors.Add($"{nameof(ChunkPages)} is {ChunkPages}, expected 1 to {FrameLimits.PagesPerChunkMax}");
        }

        if (DeltaCachePages < 0)
        {
            errors.Add($"{nameof(DeltaCachePages)} is {DeltaCachePages}, expected 0 or more");
        }

        if (SavedPagesMax < 1)
        {
            errors.Add($"{nameof(SavedPagesMax)} is {SavedPagesMax}, expected 1 or more");
        }

        if (SendThreads < 1)
        {
            errors.Add($"{nameof(SendThreads)} is {SendThreads}, expected 1 or more");
        }

        return errors;
    }
}
