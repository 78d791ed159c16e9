namespace Colo.Vmm.Block;

/// <summary>One part of a range, in one cluster: where it is on the disk, where in the caller's data (when that has
/// a span), and how long, in bytes.</summary>
internal readonly record struct ClusterPiece(long DiskOffset, int At, int Length)
{
    public long Index => DiskOffset / BufferCluster.Size;

    /// <summary>First sector in the cluster.</summary>
    public int First => (int)(DiskOffset % BufferCluster.Size) / BlockRange.SectorSize;

    public UInt128 Mask => BufferCluster.Mask(First, Length / BlockRange.SectorSize);
}
