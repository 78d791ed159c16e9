namespace Colo.Vmm.Block;

/// <summary>Sector arithmetic shared by the devices.</summary>
public static class BlockRange
{
    /// <summary>The unit of every offset and length, bytes.</summary>
    public const int SectorSize = 512;

    /// <summary>Whether [offset, offset + length) is inside the device and made of whole sectors. No overflow for
    /// any input.</summary>
    public static bool IsValid(long offset, long length, long sizeBytes) =>
        offset >= 0 && length >= 0 && offset <= sizeBytes && length <= sizeBytes - offset
        && ((offset | length) & (SectorSize - 1)) == 0;
}
