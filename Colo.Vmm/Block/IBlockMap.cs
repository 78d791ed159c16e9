namespace Colo.Vmm.Block;

/// <summary>A disk that knows which of its ranges hold data; the others read as zeroes.</summary>
public interface IBlockMap
{
    /// <summary>Whether the extent that begins at <paramref name="offset"/> may hold data; false means that it
    /// reads as zeroes. <paramref name="end"/> is the extent's end: above offset, at most the disk's size, a
    /// multiple of 512.</summary>
    bool IsAllocated(long offset, out long end);
}
