namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>Bounds of the secondary's side. All of them count pages of 4096 bytes.</summary>
public sealed record SecondaryCheckpointOptions
{
    /// <summary>
    /// Most pages that may be staged for checkpoints. Null: as many as the guest has, so that no checkpoint can be too
    /// big. The primary is told and refuses a larger checkpoint before it sends it.
    /// </summary>
    public int? StagedPagesMax { get; init; }

    /// <summary>
    /// Staged pages plus pages that the secondary's guest has written, from which on a checkpoint is asked for.
    /// Null: a quarter of the guest's pages. Must not be above <see cref="StagedPagesMax"/>.
    /// </summary>
    public int? WantCheckpointPages { get; init; }

    /// <summary>
    /// Most pages of memory for staged pages and the older versions of changed ones together, while there is a
    /// <see cref="SpillPath"/> to put staged pages beyond it. Null: a quarter of the guest's pages.
    /// </summary>
    public int? MemoryPagesMax { get; init; }

    /// <summary>
    /// File for staged pages that <see cref="MemoryPagesMax"/> leaves no memory for. It is made anew, has no name
    /// once it is open where the system allows that, and nothing in it outlives the process. Null: everything stays
    /// in memory.
    /// </summary>
    public string? SpillPath { get; init; }

    /// <summary>Most bytes of device state accepted; 64 MiB unless said otherwise.</summary>
    public int DeviceStateMax { get; init; } = 64 * 1024 * 1024;

    /// <summary>Whether the guest goes on when a link is lost in the middle of a checkpoint. Its output stays
    /// held.</summary>
    public bool ResumeOnLinkLoss { get; init; } = true;

    /// <summary>Whether staging memory goes back to the host after each checkpoint instead of waiting for the
    /// next.</summary>
    public bool ReleaseStagingMemory { get; init; }

    /// <summary>All violations at once; empty when the options hold together.</summary>
    public IReadOnlyList<string> Validate(int pageCount)
    {
        var errors = new List<string>();
        if (StagedPagesMax is { } staged && (staged < 1 || staged > pageCount))
        {
            errors.Add($"{nameof(StagedPagesMax)} is {staged}, expected 1 to {pageCount}");
        }

        if (WantCheckpointPages is { } wanted && (wanted < 1 || wanted > (StagedPagesMax ?? pageCount)))
        {
            errors.Add($"{nameof(WantCheckpointPages)} is {wanted}, expected 1 to {StagedPagesMax ?? pageCount}");
        }

        if (MemoryPagesMax < 1 || MemoryPagesMax > pageCount)
        {
            errors.Add($"{nameof(MemoryPagesMax)} is {MemoryPagesMax}, expected 1 to {pageCount}");
        }

        if (DeviceStateMax is < 0 or > FrameLimits.DeviceStateMax)
        {
            errors.Add($"{nameof(DeviceStateMax)} is {DeviceStateMax}, expected 0 to {FrameLimits.DeviceStateMax}");
        }

        return errors;
    }
}
