using Colo.Vmm.Block;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>
/// The secondary's disk as its NBD server offers it. Before COLO begins a change goes straight to the disk, which
/// counts as stale from the first one on; then through the buffer, which keeps the old content first; after a takeover
/// it is refused.
/// </summary>
internal sealed class SecondaryExport(DiskBuffer buffer, IStorageFile disk) : IBlockDevice, IBlockMap
{
    private const ulong Term = 1;
    private readonly Lock _gate = new();
    private readonly RawFileDevice _disk = new(disk);
    private bool _isTarget;

    public long SizeBytes => buffer.SizeBytes;

    public bool IsReadOnly => false;

    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default) =>
        _disk.ReadAsync(offset, destination, cancellation);

    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false,
        CancellationToken cancellation = default)
    {
        lock (_gate)
        {
            if (buffer.Stage == DiskBufferStage.None)
            {
                BlockStatus marked = Prepare();
                return marked != BlockStatus.Ok
                    ? new(marked)
                    : _disk.WriteAsync(offset, source, forceUnitAccess, cancellation);
            }

            BlockStatus status = buffer.PrimaryWrite(buffer.OpenEpoch, offset, source.Span);
            return new(status == BlockStatus.Ok && forceUnitAccess ? buffer.PrimaryFlush() : status);
        }
    }

    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) =>
        buffer.Stage == DiskBufferStage.Running ? new(buffer.PrimaryFlush()) : _disk.FlushAsync(cancellation);

    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default)
    {
        lock (_gate)
        {
            if (buffer.Stage == DiskBufferStage.None)
            {
                BlockStatus marked = Prepare();
                return marked != BlockStatus.Ok
                    ? new(marked)
                    : _disk.WriteZeroesAsync(offset, length, mayUnmap, cancellation);
            }

            return new(buffer.PrimaryWriteZeroes(buffer.OpenEpoch, offset, length, mayUnmap));
        }
    }

    /// <summary>Zeroes: the primary's disk and this one must read the same.</summary>
    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        WriteZeroesAsync(offset, length, mayUnmap: true, cancellation);

    public bool IsAllocated(long offset, out long end) => _disk.IsAllocated(offset, out end);

    /// <summary>The files belong to the buffer.</summary>
    public void Dispose()
    {
    }

    private BlockStatus Prepare()
    {
        if (_isTarget)
        {
            return BlockStatus.Ok;
        }

        BlockStatus status = buffer.PrepareTarget(Term);
        _isTarget = status == BlockStatus.Ok;
        return status;
    }
}
