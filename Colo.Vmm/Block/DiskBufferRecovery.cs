namespace Colo.Vmm.Block;

/// <summary>What a host does with its buffer files after it started again.</summary>
public static class DiskBufferRecovery
{
    /// <summary>What a buffer file says about its disk; ask before anything else after a start of the host.</summary>
    public static DiskBufferState Inspect(IStorageFile bufferFile) =>
        DiskBufferHeader.Load(bufferFile)?.State ?? DiskBufferState.Unknown;

    /// <summary>Completes a merge that a crash cut short. Ok when the disk is whole afterwards; NotSupported when
    /// the file does not say that a merge was under way; IoError when the journal is damaged or doesn't fit the
    /// disk, which is then stale.</summary>
    public static BlockStatus CompleteMerge(IStorageFile disk, IStorageFile bufferFile)
    {
        var header = DiskBufferHeader.Load(bufferFile);
        if (header?.State == DiskBufferState.Merged)
        {
            return BlockStatus.Ok;
        }

        if (header is not { State: DiskBufferState.Merging })
        {
            return BlockStatus.NotSupported;
        }

        var status = header.DiskSizeBytes == (disk.Length & ~(long)(BlockRange.SectorSize - 1))
            ? MergeJournal.Replay(bufferFile, header, disk)
            : BlockStatus.IoError;
        if (status == BlockStatus.Ok)
        {
            status = disk.Flush();
        }

        return status == BlockStatus.Ok
            ? (header with { State = DiskBufferState.Merged, Sequence = header.Sequence + 1 }).Store(bufferFile)
            : status;
    }
}
