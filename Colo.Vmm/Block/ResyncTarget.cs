namespace Colo.Vmm.Block;

/// <summary>The secondary's disk while a resync fills it: changes go straight to it. Refused before
/// <see cref="DiskBuffer.PrepareTarget"/> marked the disk stale, and after <see cref="DiskBuffer.Start"/>.</summary>
internal sealed class ResyncTarget(DiskBuffer buffer)
{
    private static readonly byte[] Zeroes = new byte[BufferCluster.Size];

    public BlockStatus Write(long offset, ReadOnlySpan<byte> data)
    {
        var status = Check(offset, data.Length);
        return status == BlockStatus.Ok ? buffer.Disk.Write(offset, data) : status;
    }

    public BlockStatus WriteZeroes(long offset, long length)
    {
        var status = Check(offset, length);
        if (status != BlockStatus.Ok || length == 0)
        {
            return status;
        }

        status = buffer.Disk.ZeroRange(offset, length, mayUnmap: true);
        if (status != BlockStatus.NotSupported)
        {
            return status;
        }

        status = BlockStatus.Ok;
        foreach (var piece in new ClusterPieces(offset, length))
        {
            if (status == BlockStatus.Ok)
            {
                status = buffer.Disk.Write(piece.DiskOffset, Zeroes.AsSpan(0, piece.Length));
            }
        }

        return status;
    }

    public BlockStatus Flush() => buffer.IsTarget ? buffer.Disk.Flush() : BlockStatus.NotSupported;

    private BlockStatus Check(long offset, long length) =>
        !BlockRange.IsValid(offset, length, buffer.SizeBytes) ? BlockStatus.OutOfRange
        : buffer.IsTarget ? BlockStatus.Ok
        : BlockStatus.NotSupported;
}
