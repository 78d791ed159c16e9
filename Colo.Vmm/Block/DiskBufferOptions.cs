namespace Colo.Vmm.Block;

/// <summary>Bounds of the secondary's disk buffer.</summary>
public sealed record DiskBufferOptions
{
    /// <summary>Kept sectors held in memory, bytes; what is above goes to the buffer file. Default 256 MiB.</summary>
    public long MemoryBytes { get; init; } = 256L << 20;

    /// <summary>Kept sectors in memory and file together, bytes; the hard bound. Default 4 GiB.</summary>
    public long CapacityBytes { get; init; } = 4L << 30;

    /// <summary>Part of the capacity, in percent, above which a checkpoint is asked for. The rest is for what still
    /// arrives until the flip. Default 70.</summary>
    public int PressurePercent { get; init; } = 70;

    /// <summary>Called once when the buffer passes <see cref="PressurePercent"/>, and again only after a flip
    /// brought it below. Runs on the thread of the write: hand over and return.</summary>
    public Action? PressureReached { get; init; }

    /// <summary>Names, from a takeover on, what the disk gets that the lost primary's lacks: what is merged, and what
    /// the guest writes meanwhile.</summary>
    public DirtyBitmap? Changes { get; init; }

    /// <summary>Every relation that does not hold, as text; empty when the options can be used.</summary>
    public IReadOnlyList<string> Validate()
    {
        var violations = new List<string>();
        if (MemoryBytes < 0)
        {
            violations.Add($"MemoryBytes is {MemoryBytes}, expected 0 or more");
        }

        if (CapacityBytes < 64 * 1024 || CapacityBytes / SlotStore.SlotSize > int.MaxValue / 2)
        {
            violations.Add($"CapacityBytes is {CapacityBytes}, expected 64 KiB to 4 TiB");
        }

        if (PressurePercent is < 1 or > 99)
        {
            violations.Add($"PressurePercent is {PressurePercent}, expected 1 to 99");
        }

        return violations;
    }
}
