namespace Colo.Vmm.Block;

/// <summary>
/// The disk of a secondary. The primary's writes change the disk at once, but their old sectors are kept; the
/// secondary's guest sees the disk as of its own epoch plus its own writes, which never reach the disk before a
/// takeover.
/// <code>
/// None --Start--> Running --Failover--> Failover --Merge--> Done
///                    |  \--Stop-------------------------^     (FailoverFailed when the merge fails; Merge tries again)
/// </code>
/// Kept sectors live in generations, one for each epoch that is not over
/// (docs/adr/0010-disk-buffer-generations.md). Let e be the epoch that the guest runs in and k &gt; e one whose
/// capture is done but that is not loaded: generation e has the guest's writes and the sectors as of e that the
/// primary changed before the capture of k; generation k has the sectors as of k that the primary changed after it.
/// A read takes the oldest generation that has the sector, then the disk. Loading k drops e; a takeover from image
/// k drops e and puts k back; a takeover from the running guest puts back e over k. Promises S9 (the guest never
/// sees the primary's writes of an epoch that it has not loaded), S10 (after the flip nothing is kept but what came
/// after the capture) and S11 (the merge is repeatable). Any thread may call; <see cref="PrimaryWrite"/> and
/// <see cref="Barrier"/> come in the primary's order from one.
/// </summary>
public sealed class DiskBuffer : IDisposable
{
    /// <summary>Open generations; more appear only when captures are abandoned one after the other, and are then
    /// joined.</summary>
    private const int GenerationsMax = 4;

    private readonly IStorageFile _disk;
    private readonly IStorageFile _file;
    private readonly DiskBufferOptions _options;
    private readonly SlotStore _slots;
    private readonly ClusterStore _store;
    private readonly GenerationChain _chain;
    private readonly Lock _control = new();
    private readonly DiskBufferMark _mark;
    private DiskBufferError _error;
    private DiskBufferMerge? _merge;
    private int _pressed;
    private volatile DiskBufferStage _stage;

    /// <summary>A buffer over the secondary's disk. <paramref name="bufferFile"/> takes what memory can't and the
    /// merge journal; this object owns both files. Throws when the options contradict themselves.</summary>
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
        _chain = new GenerationChain(disk, _store);
        _mark = new DiskBufferMark(bufferFile, SizeBytes);
    }

    /// <summary>Size of the disk in bytes.</summary>
    public long SizeBytes { get; }

    internal IStorageFile Disk => _disk;

    /// <summary>Whether a resync may write to the disk: prepared and not started.</summary>
    internal bool IsTarget => _stage == DiskBufferStage.None && _mark.IsSet;

    /// <summary>Where in its life the buffer is.</summary>
    public DiskBufferStage Stage => _stage;

    /// <summary>The epoch whose image the guest has loaded.</summary>
    public ulong LoadedEpoch { get; private set; }

    /// <summary>The epoch of the newest barrier: what the primary's next write belongs to.</summary>
    public ulong OpenEpoch { get; private set; }

    /// <summary>Bytes of slots taken, at most the capacity.</summary>
    public long UsedBytes => (long)_slots.Used * SlotStore.SlotSize;

    /// <summary>False when the journal could not be written: after a crash in the merge the disk counts as
    /// stale.</summary>
    public bool MergeIsRepeatable { get; private set; }

    /// <summary>Begins: the disk equals the primary's as of <paramref name="epoch"/>, and the guest has that image.
    /// From here on the disk counts as stale until a merge is complete; that mark is durable before the call
    /// returns.</summary>
    public BlockStatus Start(ulong term, ulong epoch)
    {
        lock (_control)
        {
            if (_stage is DiskBufferStage.Done or DiskBufferStage.Failover)
            {
                return BlockStatus.Ok;
            }

            if (_stage != DiskBufferStage.None)
            {
                return BlockStatus.NotSupported;
            }

            var status = _mark.Begin(term, epoch);
            if (status != BlockStatus.Ok)
            {
                return status;
            }

            _chain.EnterAll();
            _chain.Open(epoch);
            LoadedEpoch = OpenEpoch = epoch;
            _stage = DiskBufferStage.Running;
            _chain.LeaveAll();
            return BlockStatus.Ok;
        }
    }

    /// <summary>Before a resync changes the disk: from now on it counts as stale until a takeover is merged.
    /// Durable when it returns.</summary>
    public BlockStatus PrepareTarget(ulong term)
    {
        lock (_control)
        {
            if (_stage != DiskBufferStage.None)
            {
                return BlockStatus.NotSupported;
            }

            return _mark.Begin(term, epoch: 0);
        }
    }

    /// <summary>A write of the primary's guest, made in <paramref name="epoch"/>, which must be the newest
    /// barrier's. The old sectors are kept unless the epoch's generation has them; then the disk changes.</summary>
    public BlockStatus PrimaryWrite(ulong epoch, long offset, ReadOnlySpan<byte> data)
    {
        if (!BlockRange.IsValid(offset, data.Length, SizeBytes))
        {
            return Fail(DiskBufferError.ProtocolViolation, BlockStatus.OutOfRange);
        }

        // As many clusters at once as there are stripes: one write of the disk for all of them.
        while (!data.IsEmpty)
        {
            var length = (int)Math.Min(data.Length, GenerationChain.SpanEnd(offset) - offset);
            var status = WriteSpan(epoch, offset, data[..length]);
            if (status != BlockStatus.Ok)
            {
                return Fail(DiskBufferError.ReplicationFailed, status);
            }

            offset += length;
            data = data[length..];
        }

        CheckPressure();
        return BlockStatus.Ok;
    }

    /// <summary>The same for zeroes. What the disk already reads as a hole is not kept: nothing changes
    /// there.</summary>
    public BlockStatus PrimaryWriteZeroes(ulong epoch, long offset, long length, bool mayUnmap)
    {
        if (!BlockRange.IsValid(offset, length, SizeBytes))
        {
            return Fail(DiskBufferError.ProtocolViolation, BlockStatus.OutOfRange);
        }

        foreach (var piece in new ClusterPieces(offset, length))
        {
            if (!_disk.IsAllocated(piece.DiskOffset, out var hole) && hole >= piece.DiskOffset + piece.Length)
            {
                continue;
            }

            lock (_chain.StripeOf(piece.Index))
            {
                var status = CheckPrimary(epoch);
                status = status == BlockStatus.Ok ? _chain.KeepOld(piece.Index, piece.Mask) : status;
                status = status == BlockStatus.Ok ? _chain.ZeroDisk(piece, mayUnmap) : status;
                if (status != BlockStatus.Ok)
                {
                    return Fail(DiskBufferError.ReplicationFailed, status);
                }
            }
        }

        CheckPressure();
        return BlockStatus.Ok;
    }

    /// <summary>Shared storage: the primary is about to change sectors of the disk that both hosts see, and sends
    /// what they hold now. It may change them only after this returned Ok.</summary>
    public BlockStatus KeepOriginal(ulong epoch, long offset, ReadOnlySpan<byte> original)
    {
        if (!BlockRange.IsValid(offset, original.Length, SizeBytes))
        {
            return Fail(DiskBufferError.ProtocolViolation, BlockStatus.OutOfRange);
        }

        foreach (var piece in new ClusterPieces(offset, original.Length))
        {
            lock (_chain.StripeOf(piece.Index))
            {
                var status = CheckPrimary(epoch);
                var part = original.Slice(piece.At, piece.Length);
                status = status == BlockStatus.Ok ? _chain.KeepOriginal(piece.Index, piece.First, part) : status;
                if (status != BlockStatus.Ok)
                {
                    return Fail(DiskBufferError.ReplicationFailed, status);
                }
            }
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

    /// <summary>The primary captured <paramref name="epoch"/>; all its writes before have arrived. Closes the
    /// generation before: from now on old sectors are kept for this epoch.</summary>
    public BlockStatus Barrier(ulong epoch)
    {
        _chain.EnterAll();
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

            // One checkpoint is in flight at a time, so the second oldest was abandoned: nobody will ask for its image.
            var status = _chain.Count == GenerationsMax ? _chain.JoinSecond() : BlockStatus.Ok;
            if (status != BlockStatus.Ok)
            {
                return Fail(DiskBufferError.ReplicationFailed, status);
            }

            _chain.Open(epoch);
            OpenEpoch = epoch;
            return BlockStatus.Ok;
        }
        finally
        {
            _chain.LeaveAll();
        }
    }

    /// <summary>The guest now has the image of <paramref name="epoch"/>: everything older is dropped. NotSupported
    /// when that epoch's barrier has not arrived. Ignored after a takeover.</summary>
    public BlockStatus Checkpoint(ulong epoch)
    {
        _chain.EnterAll();
        try
        {
            if (_stage is DiskBufferStage.Done or DiskBufferStage.Failover)
            {
                return BlockStatus.Ok;
            }

            if (_stage != DiskBufferStage.Running || !_chain.DropBefore(epoch))
            {
                return BlockStatus.NotSupported;
            }

            LoadedEpoch = epoch;
            Volatile.Write(ref _pressed, AbovePressure ? _pressed : 0);
            return BlockStatus.Ok;
        }
        finally
        {
            _chain.LeaveAll();
        }
    }

    /// <summary>Takes over with the image of <paramref name="epoch"/>: the loaded one, or one that is complete but
    /// not loaded. When it returns, which waits for no disk but the bitmap's file, the guest may run and the primary's
    /// writes are refused; <see cref="Merge"/> has to follow. NotSupported when the epoch is not open.</summary>
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

            _chain.EnterAll();
            try
            {
                if (!_chain.DropBefore(epoch))
                {
                    return BlockStatus.NotSupported;
                }

                LoadedEpoch = epoch;
                var status = _chain.JoinAll();
                if (status != BlockStatus.Ok)
                {
                    return Fail(DiskBufferError.MergeFailed, status);
                }

                var merge = new DiskBufferMerge(_disk, _file, _store, _chain);
                status = _options.Changes is { } bitmap ? merge.NameIn(bitmap) : status;
                if (status != BlockStatus.Ok)
                {
                    return Fail(DiskBufferError.MergeFailed, status);
                }

                _merge = merge;
                _stage = DiskBufferStage.Failover;
            }
            finally
            {
                _chain.LeaveAll();
            }

            return BlockStatus.Ok;
        }
    }

    /// <summary>Writes what is kept to the journal, then to the disk, and makes it durable. A crash before the
    /// journal is complete leaves a disk marked stale, a crash after it one that
    /// <see cref="DiskBufferRecovery.CompleteMerge"/> completes. May be called again after a failure, and while the
    /// guest runs.</summary>
    public BlockStatus Merge()
    {
        BlockStatus status;
        bool complete;
        do
        {
            status = MergeStep(64, out complete);
        }
        while (status == BlockStatus.Ok && !complete);
        return status;
    }

    /// <summary>Merges at most so many 64-KiB clusters, for a caller that paces the merge.</summary>
    public BlockStatus MergeStep(int clusters, out bool complete)
    {
        lock (_control)
        {
            complete = _stage == DiskBufferStage.Done;
            if (complete || _merge is null)
            {
                return complete ? BlockStatus.Ok : BlockStatus.NotSupported;
            }

            // Without a journal (no room for it) the merge goes on: the disk stays marked stale until it is complete.
            var indexOffset = SlotStore.FileOffset(_slots.HighWater);
            if (!_merge.JournalTried && _merge.WriteJournal(indexOffset) == BlockStatus.Ok)
            {
                var stored = _mark.Set(DiskBufferState.Merging, LoadedEpoch, indexOffset, _merge.EntryCount);
                MergeIsRepeatable = stored == BlockStatus.Ok;
                _slots.Reserve((int)((_merge.EntryCount / MergeJournal.EntriesPerPage) + 1));
            }

            var status = _merge.Step(clusters, out complete);
            if (status == BlockStatus.Ok && complete)
            {
                status = Finish(DiskBufferState.Merged);
            }

            if (status != BlockStatus.Ok)
            {
                complete = false;
                _stage = DiskBufferStage.FailoverFailed;
                return Fail(DiskBufferError.MergeFailed, status);
            }

            if (complete)
            {
                _error = DiskBufferError.None;
            }

            return BlockStatus.Ok;
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

    /// <summary>The first error since the start, as the coordinator asks for it in every checkpoint. Anything but
    /// None: this replica must not be taken over to from a later epoch; evict it.</summary>
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

        foreach (var piece in new ClusterPieces(offset, destination.Length))
        {
            lock (_chain.StripeOf(piece.Index))
            {
                var status = _stage == DiskBufferStage.None
                    ? BlockStatus.IoError
                    : _chain.Read(piece.Index, piece.First, destination.Slice(piece.At, piece.Length));
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>A write of the secondary's guest. NoSpace at the hard bound;
    /// <see cref="DiskBufferOptions.PressureReached"/> came long before.</summary>
    public BlockStatus Write(long offset, ReadOnlySpan<byte> data)
    {
        if (!BlockRange.IsValid(offset, data.Length, SizeBytes))
        {
            return BlockStatus.OutOfRange;
        }

        foreach (var piece in new ClusterPieces(offset, data.Length))
        {
            lock (_chain.StripeOf(piece.Index))
            {
                var status = WritePiece(piece.Index, piece.First, data.Slice(piece.At, piece.Length));
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }
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

        foreach (var piece in new ClusterPieces(offset, length))
        {
            lock (_chain.StripeOf(piece.Index))
            {
                var status = _stage == DiskBufferStage.Running
                    ? _chain.PutZeroes(piece.Index, piece.First, piece.Length / BlockRange.SectorSize)
                    : WritePiece(piece.Index, piece.First, GenerationChain.Zeroes.AsSpan(0, piece.Length));
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>A flush of the secondary's guest. While the pair runs there is nothing to do: only a takeover makes
    /// this side's writes count, and its merge is durable. During a takeover it completes the merge, because until
    /// then a crash would put back what the merge's journal holds.</summary>
    public BlockStatus Flush() => _stage switch
    {
        DiskBufferStage.Running => BlockStatus.Ok,
        DiskBufferStage.Failover or DiskBufferStage.FailoverFailed => Merge() is var merged && merged != BlockStatus.Ok
            ? merged
            : _disk.Flush(),
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

    private BlockStatus CheckPrimary(ulong epoch)
    {
        return _stage != DiskBufferStage.Running ? BlockStatus.IoError
            : epoch == OpenEpoch ? BlockStatus.Ok
            : Fail(DiskBufferError.ProtocolViolation, BlockStatus.NotSupported);
    }

    private BlockStatus WriteSpan(ulong epoch, long offset, ReadOnlySpan<byte> data)
    {
        _chain.EnterSpan(offset, data.Length);
        try
        {
            var status = CheckPrimary(epoch);
            status = status == BlockStatus.Ok ? _chain.KeepOld(offset, data.Length) : status;
            return status == BlockStatus.Ok ? _disk.Write(offset, data) : status;
        }
        finally
        {
            _chain.LeaveSpan(offset, data.Length);
        }
    }

    private BlockStatus WritePiece(long index, int first, ReadOnlySpan<byte> data)
    {
        var offset = (index * BufferCluster.Size) + ((long)first * BlockRange.SectorSize);
        var named = _stage is DiskBufferStage.Running or DiskBufferStage.None
            ? BlockStatus.Ok
            : _options.Changes?.Mark(offset, data.Length) ?? BlockStatus.Ok;
        return named != BlockStatus.Ok ? named : _stage switch
        {
            DiskBufferStage.Running => _chain.Put(index, first, data),
            DiskBufferStage.Failover => _chain.WriteThrough(index, first, data),
            DiskBufferStage.FailoverFailed => _chain.WriteAfterFailure(index, first, data),
            DiskBufferStage.Done => _disk.Write(offset, data),
            DiskBufferStage.None or _ => BlockStatus.IoError,
        };
    }

    private BlockStatus Finish(DiskBufferState state)
    {
        if (_mark.Set(state, LoadedEpoch, 0, 0) is var status && status != BlockStatus.Ok)
        {
            return status;
        }

        _chain.EnterAll();
        _chain.Clear();
        _merge = null;
        _stage = DiskBufferStage.Done;
        _chain.LeaveAll();
        return BlockStatus.Ok;
    }

    private BlockStatus Fail(DiskBufferError error, BlockStatus status)
    {
        var full = status == BlockStatus.NoSpace && error == DiskBufferError.ReplicationFailed;
        _error = _error != DiskBufferError.None ? _error : full ? DiskBufferError.BufferFull : error;
        return status;
    }

    private void CheckPressure()
    {
        if (AbovePressure && Interlocked.Exchange(ref _pressed, 1) == 0)
        {
            _options.PressureReached?.Invoke();
        }
    }
}
