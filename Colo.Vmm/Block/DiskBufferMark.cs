namespace Colo.Vmm.Block;

/// <summary>The header of the buffer file: what the disk is worth after a crash. A change is durable when the call
/// returns.</summary>
internal sealed class DiskBufferMark(IStorageFile file, long diskSizeBytes)
{
    private DiskBufferHeader? _header;

    public bool IsSet => _header is not null;

    /// <summary>From now on the disk counts as stale. NotSupported when a merge of an earlier life is not
    /// complete.</summary>
    public BlockStatus Begin(ulong term, ulong epoch)
    {
        var old = DiskBufferHeader.Load(file);
        if (old?.State == DiskBufferState.Merging)
        {
            return BlockStatus.NotSupported;
        }

        _header = new DiskBufferHeader(
            DiskBufferState.Running, (old?.Sequence ?? 0) + 1, diskSizeBytes, term, epoch, 0, 0);
        return _header.Store(file);
    }

    /// <summary>The next state of the same term.</summary>
    public BlockStatus Set(DiskBufferState state, ulong epoch, long indexOffset, long entryCount)
    {
        _header = new DiskBufferHeader(
            state, _header!.Sequence + 1, diskSizeBytes, _header.Term, epoch, indexOffset, entryCount);
        return _header.Store(file);
    }
}
