namespace Colo.Vmm.Block;

/// <summary>
/// The disk of a secondary. The primary's writes change the disk at once, but their old sectors are kept; the secondary's
/// guest sees the disk as of its own epoch plus its own writes, which never reach the disk before a takeover.
/// <code>
/// None --Start--> Running --Failover--> Failover --Merge--> Done
///                    |  \--Stop-------------------------^     (FailoverFailed when the merge fails; Merge tries again)
/// </code>
/// Kept sectors live in generations, one for each epoch that is not over (docs/adr/0010-disk-buffer-generations.md). Let e be
/// the epoch that the guest runs in and k &gt; e one whose capture is done but that is not loaded:
/// generation e has the guest's writes and the sectors as of e that the primary changed before the capture of k;
/// generation k has the sectors as of k that the primary changed after it. A read takes the oldest generation that has the
/// sector, then the disk. Loading k drops e; a takeover from image k drops e and puts k back; a takeover from the running guest
/// puts back e over k. Promises S9 (the guest never sees the primary's writes of an epoch that it has not loaded), S10 (after
/// the flip nothing is kept but what came after the capture) and S11 (the merge is repeatable).
/// Any thread may call; <see cref="PrimaryWrite"/> and <see cref="Barrier"/> come in the primary's order from one.
/// </summary>
public sealed class DiskBuffer : IDisposable
{
    /// <summary>Open generations; more appear only when captures are abandoned one after the other, and are then joined.</summary>
    private const int GenerationsMax = 4;

    private readonly IStorageFile _disk;
    private readonly IStorageFile _file;
    private readonly DiskBufferOptions _options;
    private readonly SlotStore _slots;
    private readonly ClusterStore _store;
    private readonly Lock[] _stripes = new Lock[BufferGeneration.Stripes];
    private readonly Lock _control = new();
    private readonly List<BufferGeneration> _generations = [];
    private readonly List<BufferCluster> _mergeList = [];
    private DiskBufferHeader? _header;
    private DiskBufferError _error;
    private int _mergeNext;
    private int _pressed;
    private bool _syncFailed;
    private bool _journalTried;
    private volatile DiskBufferStage _stage;

    /// <summary>A buffer over the secondary's disk. <paramref name="bufferFile"/> takes what memory can't and the merge journal;
    /// this object owns both files. Throws when the options contradict themselves.</summary>
    public DiskBuffer(IStorageFile disk, IStorageFile bufferFile, DiskBufferOptions options)
    {
        var violations = options.Validate();
        if (violations.Count > 0)
        {
            throw new ArgumentException(string.Join("; ", violations), nameof(options));
        }

        _disk = disk;
        _file = bufferFile;
        _options = options;
        SizeBytes = disk.Length & ~(long)(BlockRange.SectorSize - 1);
        _slots = new SlotStore(bufferFile, options.MemoryBytes, options.CapacityBytes);
        _store = new ClusterStore(disk, bufferFile, _slots);
        for (var i = 0; i < _stripes.Length; i++)
        {
            _stripes[i] = new Lock();
        }
    }

    /// <summary>Size of the disk in bytes.</summary>
    public long SizeBytes { get; }

    /// <summary>Where in its life the buffer is.</summary>
    public DiskBufferStage Stage => _stage;

    /// <summary>The epoch whose image the guest has loaded.</summary>
    public ulong LoadedEpoch { get; private set; }

    /// <summary>The epoch of the newest barrier: what the primary's next write belongs to.</summary>
    public ulong OpenEpoch { get; private set; }

    /// <summary>Bytes of slots taken, at most the capacity.</summary>
    public long UsedBytes => (long)_slots.Used * SlotStore.SlotSize;

    /// <summary>False when the journal could not be written: after a crash in the merge the disk counts as stale.</summary>
    public bool MergeIsRepeatable { get; private set; }

    /// <summary>What a buffer file says about its disk; ask before anything else after a start of the host.</summary>
    public static DiskBufferState Inspect(IStorageFile bufferFile) =>
        DiskBufferHeader.Load(bufferFile)?.State ?? DiskBufferState.Unknown;

    /// <summary>Completes a merge that a crash cut short. Ok when the disk is whole afterwards; NotSupported when the file does
    /// not say that a merge was under way; IoError when the journal is damaged or doesn't fit the disk, which is then stale.</summary>
    public static BlockStatus Recover(IStorageFile disk, IStorageFile bufferFile)
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

    /// <summary>Begins: the disk equals the primary's as of <paramref name="epoch"/>, and the guest has that image. From here on
    /// the disk counts as stale until a merge is complete; that mark is durable before the call returns.</summary>
    public BlockStatus Start(ulong term, ulong epoch)
    {
        lock (_control)
        {
            if (_stage is DiskBufferStage.Done or DiskBufferStage.Failover)
            {
                return BlockStatus.Ok;
            }

            var old = DiskBufferHeader.Load(_file);
            if (_stage != DiskBufferStage.None || old?.State == DiskBufferState.Merging)
            {
                return BlockStatus.NotSupported;
            }

            var sequence = (old?.Sequence ?? 0) + 1;
            _header = new DiskBufferHeader(DiskBufferState.Running, sequence, SizeBytes, term, epoch, 0, 0);
            var status = _header.Store(_file);
            if (status != BlockStatus.Ok)
            {
                return status;
            }

            EnterAll();
            _generations.Add(new BufferGeneration { Epoch = epoch });
            LoadedEpoch = OpenEpoch = epoch;
            _stage = DiskBufferStage.Running;
            LeaveAll();
            return BlockStatus.Ok;
        }
    }

    /// <summary>A write of the primary's guest, made in <paramref name="epoch"/>, which must be the newest barrier's. The old
    /// sectors are kept unless the epoch's generation has them; then the disk changes.</summary>
    public BlockStatus PrimaryWrite(ulong epoch, long offset, ReadOnlySpan<byte> data)
    {
        if (!BlockRange.IsValid(offset, data.Length, SizeBytes))
        {
            return Fail(DiskBufferError.ProtocolViolation, BlockStatus.OutOfRange);
        }

        while (data.Length > 0)
        {
            var index = offset / BufferCluster.Size;
            var at = (int)(offset % BufferCluster.Size);
            var count = Math.Min(data.Length, BufferCluster.Size - at);
            lock (_stripes[BufferGeneration.StripeOf(index)])
            {
                var mask = BufferCluster.Mask(at / BlockRange.SectorSize, count / BlockRange.SectorSize);
                var status = KeepOld(epoch, index, mask);
                if (status == BlockStatus.Ok)
                {
                    status = _disk.Write(offset, data[..count]);
                }

                if (status != BlockStatus.Ok)
                {
                    return Fail(DiskBufferError.ReplicationFailed, status);
                }
            }

            offset += count;
            data = data[count..];
        }

        CheckPressure();
        return BlockStatus.Ok;
    }

    /// <summary>The same for zeroes. What the disk already reads as a hole is not kept: nothing changes there.</summary>
    public BlockStatus PrimaryWriteZeroes(ulong epoch, long offset, long length, bool mayUnmap)
    {
        if (!BlockRange.IsValid(offset, length, SizeBytes))
        {
            return Fail(DiskBufferError.ProtocolViolation, BlockStatus.OutOfRange);
        }

        var end = offset + length;
        while (offset < end)
        {
            if (!_disk.IsAllocated(offset, out var extentEnd))
            {
                var next = Math.Min(end, extentEnd & ~(long)(BlockRange.SectorSize - 1));
                if (next > offset)
                {
                    offset = next;
                    continue;
                }
            }

            var index = offset / BufferCluster.Size;
            var at = (int)(offset % BufferCluster.Size);
            var count = (int)Math.Min(end - offset, BufferCluster.Size - at);
            lock (_stripes[BufferGeneration.StripeOf(index)])
            {
                var mask = BufferCluster.Mask(at / BlockRange.SectorSize, count / BlockRange.SectorSize);
                var status = KeepOld(epoch, index, mask);
                if (status == BlockStatus.Ok)
                {
                    status = _disk.ZeroRange(offset, count, mayUnmap);
                }

                if (status == BlockStatus.NotSupported)
                {
                    status = _disk.Write(offset, ZeroCluster.AsSpan(0, count));
                }

                if (status != BlockStatus.Ok)
                {
                    return Fail(DiskBufferError.ReplicationFailed, status);
                }
            }

            offset += count;
        }

        CheckPressure();
        return BlockStatus.Ok;
    }

    private static readonly byte[] ZeroCluster = new byte[BufferCluster.Size];

    /// <summary>Shared storage: the primary is about to change sectors of the disk that both hosts see, and sends what they hold
    /// now. It may change them only after this returned Ok.</summary>
    public BlockStatus KeepOriginal(ulong epoch, long offset, ReadOnlySpan<byte> original)
    {
        if (!BlockRange.IsValid(offset, original.Length, SizeBytes))
        {
            return Fail(DiskBufferError.ProtocolViolation, BlockStatus.OutOfRange);
        }

        while (original.Length > 0)
        {
            var index = offset / BufferCluster.Size;
            var at = (int)(offset % BufferCluster.Size);
            var count = Math.Min(original.Length, BufferCluster.Size - at);
            lock (_stripes[BufferGeneration.StripeOf(index)])
            {
                var status = CheckPrimary(epoch);
                if (status == BlockStatus.Ok)
                {
                    var cluster = _store.FindOrAdd(_generations[^1], index);
                    status = cluster is null
                        ? BlockStatus.NoSpace
                        : _store.PutMissing(cluster, at / BlockRange.SectorSize, original[..count]);
                }

                if (status != BlockStatus.Ok)
                {
                    return Fail(DiskBufferError.ReplicationFailed, status);
                }
            }

            offset += count;
            original = original[count..];
        }

        CheckPressure();
        return BlockStatus.Ok;
    }

    /// <summary>The primary's flush: its writes on the disk become durable.</summary>
    public BlockStatus PrimaryFlush()
    {
        if (_stage != DiskBufferStage.Running)
        {
            return BlockStatus.IoError;
        }

        var status = _disk.Flush();
        return status == BlockStatus.Ok ? status : Fail(DiskBufferError.ReplicationFailed, status);
    }

    /// <summary>The primary captured <paramref name="epoch"/>; all its writes before have arrived. Closes the generation before:
    /// from now on old sectors are kept for this epoch.</summary>
    public BlockStatus Barrier(ulong epoch)
    {
        EnterAll();
        try
        {
            if (_stage != DiskBufferStage.Running)
            {
                return BlockStatus.IoError;
            }

            if (epoch <= OpenEpoch)
            {
                return Fail(DiskBufferError.ProtocolViolation, BlockStatus.NotSupported);
            }

            if (_generations.Count == GenerationsMax)
            {
                // One checkpoint is in flight at a time, so the second oldest was abandoned: nobody will ask for its image.
                var status = JoinIntoOldest(_generations[1]);
                if (status != BlockStatus.Ok)
                {
                    return Fail(DiskBufferError.ReplicationFailed, status);
                }

                _generations.RemoveAt(1);
            }

            _generations.Add(new BufferGeneration { Epoch = epoch });
            OpenEpoch = epoch;
            return BlockStatus.Ok;
        }
        finally
        {
            LeaveAll();
        }
    }

    /// <summary>The guest now has the image of <paramref name="epoch"/>: everything older is dropped. NotSupported when that
    /// epoch's barrier has not arrived. Ignored after a takeover.</summary>
    public BlockStatus Checkpoint(ulong epoch)
    {
        EnterAll();
        try
        {
            if (_stage is DiskBufferStage.Done or DiskBufferStage.Failover)
            {
                return BlockStatus.Ok;
            }

            if (_stage != DiskBufferStage.Running || !DropBefore(epoch))
            {
                return BlockStatus.NotSupported;
            }

            if (!AbovePressure)
            {
                Volatile.Write(ref _pressed, 0);
            }

            return BlockStatus.Ok;
        }
        finally
        {
            LeaveAll();
        }
    }

    /// <summary>Takes over with the image of <paramref name="epoch"/>: the loaded one, or one that is complete but not loaded.
    /// When it returns, which does not wait for any disk, the guest may run and the primary's writes are refused;
    /// <see cref="Merge"/> has to follow. NotSupported when the epoch is not open.</summary>
    public BlockStatus Failover(ulong epoch)
    {
        lock (_control)
        {
            if (_stage is DiskBufferStage.Done or DiskBufferStage.Failover or DiskBufferStage.FailoverFailed)
            {
                return BlockStatus.Ok;
            }

            if (_stage != DiskBufferStage.Running)
            {
                return BlockStatus.NotSupported;
            }

            EnterAll();
            try
            {
                if (!DropBefore(epoch))
                {
                    return BlockStatus.NotSupported;
                }

                for (var i = 1; i < _generations.Count; i++)
                {
                    var status = JoinIntoOldest(_generations[i]);
                    if (status != BlockStatus.Ok)
                    {
                        return Fail(DiskBufferError.MergeFailed, status);
                    }
                }

                _generations.RemoveRange(1, _generations.Count - 1);
                foreach (var stripe in Enumerable.Range(0, BufferGeneration.Stripes))
                {
                    _mergeList.AddRange(_generations[0][stripe].Values);
                }

                _stage = DiskBufferStage.Failover;
            }
            finally
            {
                LeaveAll();
            }

            return BlockStatus.Ok;
        }
    }

    /// <summary>Writes what is kept to the journal, then to the disk, and makes it durable. A crash before the journal is complete
    /// leaves a disk marked stale, a crash after it one that <see cref="Recover"/> completes. May be called again after a
    /// failure, and while the guest runs.</summary>
    public BlockStatus Merge()
    {
        BlockStatus status;
        do
        {
            status = MergeStep(64, out var complete);
            if (complete)
            {
                return status;
            }
        }
        while (status == BlockStatus.Ok);
        return status;
    }

    /// <summary>Merges at most so many 64-KiB clusters, for a caller that paces the merge.</summary>
    public BlockStatus MergeStep(int clusters, out bool complete)
    {
        lock (_control)
        {
            if (_syncFailed)
            {
                complete = false;
                return BlockStatus.IoError;
            }

            complete = _stage == DiskBufferStage.Done;
            if (complete || _stage is not (DiskBufferStage.Failover or DiskBufferStage.FailoverFailed))
            {
                return complete ? BlockStatus.Ok : BlockStatus.NotSupported;
            }

            if (!_journalTried)
            {
                // Without a journal (no room for it) the merge goes on: the disk stays marked stale until it is complete.
                _journalTried = true;
                MergeIsRepeatable = WriteJournal(LoadedEpoch) == BlockStatus.Ok;
            }

            for (; clusters > 0 && _mergeNext < _mergeList.Count; clusters--)
            {
                var cluster = _mergeList[_mergeNext];
                lock (_stripes[BufferGeneration.StripeOf(cluster.Index)])
                {
                    var status = _store.WriteBack(cluster);
                    if (status != BlockStatus.Ok)
                    {
                        _stage = DiskBufferStage.FailoverFailed;
                        return Fail(DiskBufferError.MergeFailed, status);
                    }
                }

                _mergeNext++;
            }

            if (_mergeNext < _mergeList.Count)
            {
                return BlockStatus.Ok;
            }

            complete = true;
            return CompleteMerge();
        }
    }

    /// <summary>Ends without a takeover: the guest's own writes are dropped, the disk keeps the primary's. With
    /// <paramref name="failover"/> it is a takeover from the running guest, merged when the call returns.</summary>
    public BlockStatus Stop(bool failover)
    {
        if (failover)
        {
            var prepared = _stage == DiskBufferStage.None ? BlockStatus.NotSupported : Failover(LoadedEpoch);
            return prepared == BlockStatus.Ok && _stage != DiskBufferStage.Done ? Merge() : prepared;
        }

        lock (_control)
        {
            if (_stage is DiskBufferStage.Done or DiskBufferStage.Failover)
            {
                return BlockStatus.Ok;
            }

            if (_stage != DiskBufferStage.Running)
            {
                return BlockStatus.NotSupported;
            }

            var status = _disk.Flush();
            return status == BlockStatus.Ok ? Finish(DiskBufferState.Stopped) : status;
        }
    }

    /// <summary>The first error since the start, as the coordinator asks for it in every checkpoint. Anything but None: this
    /// replica must not be taken over to from a later epoch; evict it.</summary>
    public DiskBufferError GetError() =>
        _stage == DiskBufferStage.None ? DiskBufferError.NotRunning : _error;

    /// <summary>A read of the secondary's guest.</summary>
    public BlockStatus Read(long offset, Span<byte> destination)
    {
        if (!BlockRange.IsValid(offset, destination.Length, SizeBytes))
        {
            return BlockStatus.OutOfRange;
        }

        if (_stage == DiskBufferStage.Done)
        {
            return _disk.Read(offset, destination);
        }

        while (destination.Length > 0)
        {
            var index = offset / BufferCluster.Size;
            var at = (int)(offset % BufferCluster.Size);
            var count = Math.Min(destination.Length, BufferCluster.Size - at);
            lock (_stripes[BufferGeneration.StripeOf(index)])
            {
                var status = ReadPiece(index, at / BlockRange.SectorSize, destination[..count]);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }

            offset += count;
            destination = destination[count..];
        }

        return BlockStatus.Ok;
    }

    /// <summary>A write of the secondary's guest. NoSpace at the hard bound; <see cref="DiskBufferOptions.PressureReached"/> came
    /// long before.</summary>
    public BlockStatus Write(long offset, ReadOnlySpan<byte> data)
    {
        if (!BlockRange.IsValid(offset, data.Length, SizeBytes))
        {
            return BlockStatus.OutOfRange;
        }

        while (data.Length > 0)
        {
            var index = offset / BufferCluster.Size;
            var at = (int)(offset % BufferCluster.Size);
            var count = Math.Min(data.Length, BufferCluster.Size - at);
            lock (_stripes[BufferGeneration.StripeOf(index)])
            {
                var status = WritePiece(index, at / BlockRange.SectorSize, data[..count]);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }

            offset += count;
            data = data[count..];
        }

        CheckPressure();
        return BlockStatus.Ok;
    }

    /// <summary>Zeroes of the secondary's guest; they take no slot.</summary>
    public BlockStatus WriteZeroes(long offset, long length)
    {
        if (!BlockRange.IsValid(offset, length, SizeBytes))
        {
            return BlockStatus.OutOfRange;
        }

        for (var end = offset + length; offset < end;)
        {
            var index = offset / BufferCluster.Size;
            var at = (int)(offset % BufferCluster.Size);
            var count = (int)Math.Min(end - offset, BufferCluster.Size - at);
            lock (_stripes[BufferGeneration.StripeOf(index)])
            {
                var status = _stage == DiskBufferStage.Running
                    ? ZeroPiece(index, at / BlockRange.SectorSize, count / BlockRange.SectorSize)
                    : WritePiece(index, at / BlockRange.SectorSize, ZeroCluster.AsSpan(0, count));
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }

            offset += count;
        }

        return BlockStatus.Ok;
    }

    /// <summary>A flush of the secondary's guest. While the pair runs there is nothing to do: only a takeover makes this side's
    /// writes count, and its merge is durable. During a takeover it completes the merge, because until then a crash would put
    /// back what the merge's journal holds.</summary>
    public BlockStatus Flush() => _stage switch
    {
        DiskBufferStage.Running => BlockStatus.Ok,
        DiskBufferStage.Failover or DiskBufferStage.FailoverFailed => FlushMerging(),
        DiskBufferStage.Done => _disk.Flush(),
        DiskBufferStage.None or _ => BlockStatus.IoError,
    };

    /// <summary>Closes both files. A buffer that is Running leaves a disk marked stale.</summary>
    public void Dispose()
    {
        _disk.Dispose();
        _file.Dispose();
    }

    private bool AbovePressure => (long)_slots.Used * 100 >= (long)_slots.Count * _options.PressurePercent;

    private BlockStatus FlushMerging()
    {
        var status = Merge();
        return status == BlockStatus.Ok ? _disk.Flush() : status;
    }

    private BlockStatus CheckPrimary(ulong epoch)
    {
        if (_stage != DiskBufferStage.Running)
        {
            return BlockStatus.IoError;
        }

        return epoch == OpenEpoch ? BlockStatus.Ok : Fail(DiskBufferError.ProtocolViolation, BlockStatus.NotSupported);
    }

    private BlockStatus KeepOld(ulong epoch, long index, UInt128 mask)
    {
        var status = CheckPrimary(epoch);
        if (status != BlockStatus.Ok)
        {
            return status;
        }

        var cluster = _store.FindOrAdd(_generations[^1], index);
        return cluster is null ? BlockStatus.NoSpace : _store.KeepFromDisk(cluster, mask & ~cluster.Present);
    }

    private BlockStatus ReadPiece(long index, int first, Span<byte> destination)
    {
        if (_stage == DiskBufferStage.None)
        {
            return BlockStatus.IoError;
        }

        var left = BufferCluster.Mask(first, destination.Length / BlockRange.SectorSize);
        foreach (var generation in _generations)
        {
            if (left != 0 && generation.Find(index) is { } cluster && (cluster.Present & left) is var here && here != 0)
            {
                var status = _store.CopyOut(cluster, here, first, destination);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }

                left &= ~here;
            }
        }

        return _store.CopyFromDisk(index, left, first, destination);
    }

    private BlockStatus WritePiece(long index, int first, ReadOnlySpan<byte> data)
    {
        switch (_stage)
        {
            case DiskBufferStage.Running:
                var cluster = _store.FindOrAdd(_generations[0], index);
                return cluster is null ? BlockStatus.NoSpace : _store.Put(cluster, first, data);
            case DiskBufferStage.Failover:
                return WriteThrough(index, first, data);
            case DiskBufferStage.FailoverFailed:
                return WriteAfterFailure(index, first, data);
            case DiskBufferStage.Done:
                return _disk.Write(DiskOffset(index, first), data);
            case DiskBufferStage.None:
            default:
                return BlockStatus.IoError;
        }
    }

    private BlockStatus ZeroPiece(long index, int first, int count)
    {
        var cluster = _store.FindOrAdd(_generations[0], index);
        if (cluster is null)
        {
            return BlockStatus.NoSpace;
        }

        _store.PutZeroes(cluster, BufferCluster.Mask(first, count));
        return BlockStatus.Ok;
    }

    private BlockStatus WriteThrough(long index, int first, ReadOnlySpan<byte> data)
    {
        var status = _disk.Write(DiskOffset(index, first), data);
        if (status == BlockStatus.Ok && _generations[0].Find(index) is { } cluster)
        {
            cluster.Present &= ~BufferCluster.Mask(first, data.Length / BlockRange.SectorSize);
        }

        return status;
    }

    /// <summary>What the buffer still holds is changed in the buffer, the rest on the disk: the disk failed under the merge, and
    /// the guest goes on with what still works. Slots that the journal names keep their content.</summary>
    private BlockStatus WriteAfterFailure(long index, int first, ReadOnlySpan<byte> data)
    {
        var cluster = _generations[0].Find(index);
        var mask = BufferCluster.Mask(first, data.Length / BlockRange.SectorSize);
        var held = (cluster?.Present ?? default) & mask;
        var free = mask & ~held;
        while (ClusterStore.NextRun(ref free, out var start, out var count))
        {
            var status = _disk.Write(
                DiskOffset(index, start),
                data.Slice((start - first) * BlockRange.SectorSize, count * BlockRange.SectorSize));
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        while (ClusterStore.NextRun(ref held, out var start, out var count))
        {
            for (var page = start / 8; page <= (start + count - 1) / 8; page++)
            {
                var moved = _store.MovePage(cluster!, page);
                if (moved != BlockStatus.Ok)
                {
                    return moved;
                }
            }

            var part = data.Slice((start - first) * BlockRange.SectorSize, count * BlockRange.SectorSize);
            var status = _store.Put(cluster!, start, part);
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    private static long DiskOffset(long index, int sector) =>
        (index * BufferCluster.Size) + ((long)sector * BlockRange.SectorSize);

    /// <summary>Drops the generations before this epoch's; false, with nothing dropped, when it is not open.</summary>
    private bool DropBefore(ulong epoch)
    {
        var keep = _generations.FindIndex(generation => generation.Epoch == epoch);
        if (keep < 0)
        {
            return false;
        }

        for (var i = 0; i < keep; i++)
        {
            Release(_generations[i]);
        }

        _generations.RemoveRange(0, keep);
        LoadedEpoch = epoch;
        return true;
    }

    private void Release(BufferGeneration generation)
    {
        for (var stripe = 0; stripe < BufferGeneration.Stripes; stripe++)
        {
            foreach (var cluster in generation[stripe].Values)
            {
                _store.Release(cluster);
            }

            generation[stripe].Clear();
        }
    }

    private BlockStatus JoinIntoOldest(BufferGeneration newer)
    {
        for (var stripe = 0; stripe < BufferGeneration.Stripes; stripe++)
        {
            foreach (var cluster in newer[stripe].Values)
            {
                if (_generations[0][stripe].TryAdd(cluster.Index, cluster))
                {
                    continue;
                }

                var older = _generations[0][stripe][cluster.Index];
                if (!ReferenceEquals(older, cluster))
                {
                    var status = _store.MergeInto(older, cluster);
                    if (status != BlockStatus.Ok)
                    {
                        return status;
                    }

                    _store.Release(cluster);
                }
            }

            newer[stripe].Clear();
        }

        return BlockStatus.Ok;
    }

    private BlockStatus WriteJournal(ulong epoch)
    {
        var indexOffset = SlotStore.FileOffset(_slots.Count);
        var journal = new MergeJournal(_file, indexOffset);
        var status = BlockStatus.Ok;
        foreach (var cluster in _mergeList)
        {
            lock (_stripes[BufferGeneration.StripeOf(cluster.Index)])
            {
                status = _store.Journal(cluster, journal);
            }

            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        status = journal.Finish();
        if (status == BlockStatus.Ok)
        {
            // What the journal does not name must be durable too: writes of the primary that its guest never flushed, and the
            // guest's own since the takeover. Its earlier flushes here promised that.
            status = _disk.Flush();
        }

        return status == BlockStatus.Ok
            ? StoreHeader(DiskBufferState.Merging, epoch, indexOffset, journal.EntryCount)
            : status;
    }

    private BlockStatus CompleteMerge()
    {
        var status = _disk.Flush();
        if (status != BlockStatus.Ok)
        {
            // A failed fdatasync may have dropped dirty pages for good, and a second one would not say so: no retry.
            _syncFailed = true;
            _stage = DiskBufferStage.FailoverFailed;
            return Fail(DiskBufferError.MergeFailed, status);
        }

        status = Finish(DiskBufferState.Merged);
        if (status == BlockStatus.Ok)
        {
            _error = DiskBufferError.None;
        }

        return status;
    }

    private BlockStatus Finish(DiskBufferState state)
    {
        var status = StoreHeader(state, LoadedEpoch, 0, 0);
        if (status != BlockStatus.Ok)
        {
            return Fail(DiskBufferError.MergeFailed, status);
        }

        EnterAll();
        foreach (var generation in _generations)
        {
            Release(generation);
        }

        _generations.Clear();
        _mergeList.Clear();
        _stage = DiskBufferStage.Done;
        LeaveAll();
        return BlockStatus.Ok;
    }

    private BlockStatus StoreHeader(DiskBufferState state, ulong epoch, long indexOffset, long entryCount)
    {
        var next = _header! with
        {
            State = state,
            Sequence = _header.Sequence + 1,
            Epoch = epoch,
            IndexOffset = indexOffset,
            EntryCount = entryCount,
        };
        _header = next;
        return next.Store(_file);
    }

    private BlockStatus Fail(DiskBufferError error, BlockStatus status)
    {
        if (_error == DiskBufferError.None)
        {
            _error = status == BlockStatus.NoSpace && error == DiskBufferError.ReplicationFailed
                ? DiskBufferError.BufferFull
                : error;
        }

        return status;
    }

    private void CheckPressure()
    {
        if (AbovePressure && Interlocked.Exchange(ref _pressed, 1) == 0)
        {
            _options.PressureReached?.Invoke();
        }
    }

    private void EnterAll()
    {
        foreach (var stripe in _stripes)
        {
            stripe.Enter();
        }
    }

    private void LeaveAll()
    {
        foreach (var stripe in _stripes)
        {
            stripe.Exit();
        }
    }
}
