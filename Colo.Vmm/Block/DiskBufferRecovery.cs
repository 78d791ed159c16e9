namespace Colo.Vmm.Block;

/// <summary>What a host does with its buffer files after it started again.</summary>
public static class DiskBufferRecovery
{
    /// <summary>What a buffer file says about its disk; ask before anything else after a start of the host.</summary>
    public static DiskBufferState Inspect(IStorageFile bufferFile) =>
        DiskBufferHeader.Load(bufferFile)?.State ?? DiskBufferState.Unknown;

    /// <summary>Whether the disk is a moment of one guest's history. A secondary's is, up to the last write that came
    /// from its primary, unless a copy to it was cut short or a takeover was not merged; one that has no buffer file,
    /// or whose takeover is merged, is its owner's.</summary>
    /// <param name="bufferFile">What the disk's buffer left behind.</param>
    /// <param name="follows">Whether the disk's bitmap says that it follows a primary: no takeover was begun.</param>
    public static bool IsOneHistory(IStorageFile bufferFile, bool follows) =>
        DiskBufferHeader.Load(bufferFile) is not { State: DiskBufferState.Running or DiskBufferState.Merging } header
        || (header is { State: DiskBufferState.Running, Epoch: > 0 } && follows);

    /// <summary>A secondary's disk becomes an owner's as it is. Durable on Ok.</summary>
    public static BlockStatus KeepAsIs(IStorageFile bufferFile) =>
        DiskBufferHeader.Load(bufferFile) is { State: DiskBufferState.Running } header
            ? (header with { State = DiskBufferState.Stopped, Sequence = header.Sequence + 1 }).Store(bufferFile)
            : BlockStatus.Ok;

    /// <summary>Shared storage, and the other host owns the VM: a merge that this host began and did not finish must
    /// never be finished, because the disk has gone on without it. Durable on Ok.</summary>
    public static BlockStatus Abandon(IStorageFile bufferFile) =>
        DiskBufferHeader.Load(bufferFile) is { State: DiskBufferState.Merging } header
            ? (header with { State = DiskBufferState.Stopped, Sequence = header.Sequence + 1 }).Store(bufferFile)
            : BlockStatus.Ok;

    /// <summary>The disk is stale, and says so until it has been filled again.</summary>
    public static BlockStatus MarkStale(IStorageFile disk, IStorageFile bufferFile) => new DiskBufferHeader(
        DiskBufferState.Running, (DiskBufferHeader.Load(bufferFile)?.Sequence ?? 0) + 1,
        disk.Length & ~(long)(BlockRange.SectorSize - 1), 0, 0, 0, 0).Store(bufferFile);

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
