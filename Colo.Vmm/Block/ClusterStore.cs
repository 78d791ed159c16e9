using System.Numerics;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Block;

/// <summary>
/// Moves sectors between the disk, the slots and the caller, one cluster at a time. The caller holds the lock of
/// the cluster's stripe for every call, so a cluster's masks and slots agree whenever nobody is inside.
/// </summary>
internal sealed class ClusterStore
{
    // 512 KiB: below it the other thread's wake-up costs more than its half of the copy.
    private const int SharedPagesLeast = 128;

    private readonly IStorageFile _disk;
    private readonly IStorageFile _file;
    private readonly SlotStore _slots;
    private readonly Stack<BufferCluster>[] _pool = new Stack<BufferCluster>[BufferGeneration.Stripes];
    private readonly byte[]?[] _scratch = new byte[]?[BufferGeneration.Stripes];
    private readonly int _clusterLimit;
    private readonly KeepHelper _helper;
    private int _clusters;

    public ClusterStore(IStorageFile disk, IStorageFile file, SlotStore slots)
    {
        _disk = disk;
        _file = file;
        _slots = slots;
        _helper = new KeepHelper(this);

        // The index is bounded too: sectors of zeroes take no slot, but their clusters take memory.
        _clusterLimit = Math.Max(1024, slots.Count);
        for (var i = 0; i < _pool.Length; i++)
        {
            _pool[i] = new Stack<BufferCluster>();
        }
    }

    public BufferCluster? FindOrAdd(BufferGeneration generation, long index)
    {
        var stripe = BufferGeneration.StripeOf(index);
        if (generation[stripe].TryGetValue(index, out var cluster))
        {
            return cluster;
        }

        if (Interlocked.Increment(ref _clusters) > _clusterLimit)
        {
            Interlocked.Decrement(ref _clusters);
            return null;
        }

        cluster = _pool[stripe].TryPop(out var pooled) ? pooled : new BufferCluster();
        cluster.Reset(index);
        generation[stripe].Add(index, cluster);
        return cluster;
    }

    /// <summary>Gives the slots and the object back; the caller removes it from its generation.</summary>
    public void Release(BufferCluster cluster)
    {
        // From the last page to the first: the free list hands them out again in ascending order.
        for (var page = BufferCluster.Pages - 1; page >= 0; page--)
        {
            if (cluster[page] >= 0)
            {
                _slots.Free(cluster[page]);
            }
        }

        Interlocked.Decrement(ref _clusters);
        _pool[BufferGeneration.StripeOf(cluster.Index)].Push(cluster);
    }

    /// <summary>Copies the disk's present content of the sectors in <paramref name="missing"/> into the
    /// cluster.</summary>
    public BlockStatus KeepFromDisk(BufferCluster cluster, UInt128 missing)
    {
        while (NextRun(ref missing, out var first, out var count))
        {
            var status = KeepRun(cluster, first, count);
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>The same for whole clusters that hold nothing yet and are neighbours on the disk: as few reads as
    /// their slots allow.</summary>
    public BlockStatus KeepFromDisk(ReadOnlySpan<BufferCluster> fresh)
    {
        var status = BlockStatus.Ok;
        for (var i = 0; i < fresh.Length && status == BlockStatus.Ok; i++)
        {
            status = AllocatePages(fresh[i], 0, BufferCluster.Sectors, out _);
        }

        var pages = fresh.Length * BufferCluster.Pages;

        // Parted between two clusters: what is noted of a cluster has one writer.
        var middle = fresh.Length / 2 * BufferCluster.Pages;
        if (status == BlockStatus.Ok && pages >= SharedPagesLeast && _helper.TryOffer(fresh, middle, pages))
        {
            status = KeepPages(fresh, 0, middle);
            var other = _helper.Collect();
            status = status == BlockStatus.Ok ? other : status;
        }
        else if (status == BlockStatus.Ok)
        {
            status = KeepPages(fresh, 0, pages);
        }

        foreach (var cluster in fresh)
        {
            // After a failure nothing is believed kept; the slots go back.
            cluster.Present = status == BlockStatus.Ok ? UInt128.MaxValue : default;
            for (var page = 0; page < BufferCluster.Pages; page++)
            {
                DropSlotIfZero(cluster, page);
            }
        }

        return status;
    }

    /// <summary>Reads the pages <paramref name="at"/> to <paramref name="end"/> - 1 of these clusters, whose slots are
    /// allocated, in as few calls as the slots allow.</summary>
    public BlockStatus KeepPages(ReadOnlySpan<BufferCluster> clusters, int at, int end)
    {
        var status = BlockStatus.Ok;
        while (at < end && status == BlockStatus.Ok)
        {
            var slot = SlotOf(clusters, at);
            var count = 1;
            while (at + count < end && SlotOf(clusters, at + count) == slot + count && IsOneRun(slot, count + 1))
            {
                count++;
            }

            status = KeepRun(clusters, at, slot, count);
            at += count;
        }

        return status;
    }

    /// <summary>Puts the caller's data into the cluster, over what is there.</summary>
    public BlockStatus Put(BufferCluster cluster, int first, ReadOnlySpan<byte> data)
    {
        var count = data.Length / BlockRange.SectorSize;
        var status = AllocatePages(cluster, first, count, out _);
        for (var at = 0; status == BlockStatus.Ok && at < count;)
        {
            var sectors = Group(cluster, first + at, count - at, out var slot, out var offset);
            var part = data.Slice(at * BlockRange.SectorSize, sectors * BlockRange.SectorSize);
            status = WriteGroup(slot, offset, part);
            at += sectors;
        }

        if (status == BlockStatus.Ok)
        {
            var mask = BufferCluster.Mask(first, count);
            cluster.Present |= mask;
            cluster.Zero &= ~mask;
        }

        return status;
    }

    /// <summary>Puts the caller's data where the cluster holds nothing yet.</summary>
    public BlockStatus PutMissing(BufferCluster cluster, int first, ReadOnlySpan<byte> data)
    {
        var missing = BufferCluster.Mask(first, data.Length / BlockRange.SectorSize) & ~cluster.Present;
        while (NextRun(ref missing, out var start, out var count))
        {
            var part = data.Slice((start - first) * BlockRange.SectorSize, count * BlockRange.SectorSize);
            var status = Put(cluster, start, part);
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>Makes the sectors zeroes, over what is there; pages that hold nothing else lose their slot.</summary>
    public void PutZeroes(BufferCluster cluster, UInt128 mask)
    {
        cluster.Present |= mask;
        cluster.Zero |= mask;
        for (var page = 0; page < BufferCluster.Pages; page++)
        {
            DropSlotIfZero(cluster, page);
        }
    }

    /// <summary>Copies the sectors in <paramref name="mask"/>, all present, into <paramref name="destination"/>,
    /// whose first byte is sector <paramref name="first"/>.</summary>
    public BlockStatus CopyOut(BufferCluster cluster, UInt128 mask, int first, Span<byte> destination)
    {
        var zero = mask & cluster.Zero;
        while (NextRun(ref zero, out var start, out var count))
        {
            destination.Slice((start - first) * BlockRange.SectorSize, count * BlockRange.SectorSize).Clear();
        }

        var data = mask & ~cluster.Zero;
        while (NextRun(ref data, out var start, out var count))
        {
            for (var at = 0; at < count;)
            {
                var sectors = Group(cluster, start + at, count - at, out var slot, out var offset);
                var part = destination.Slice(
                    (start + at - first) * BlockRange.SectorSize, sectors * BlockRange.SectorSize);
                var status = ReadGroup(slot, offset, part);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }

                at += sectors;
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>Fills the sectors in <paramref name="mask"/> from the disk.</summary>
    public BlockStatus CopyFromDisk(long index, UInt128 mask, int first, Span<byte> destination)
    {
        while (NextRun(ref mask, out var start, out var count))
        {
            var part = destination.Slice((start - first) * BlockRange.SectorSize, count * BlockRange.SectorSize);
            var status = _disk.Read(DiskOffset(index, start), part);
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>Writes all that the cluster holds to the disk; afterwards it holds nothing. The slots are not
    /// freed: the merge journal may name them.</summary>
    public BlockStatus WriteBack(BufferCluster cluster)
    {
        var scratch = Scratch(cluster.Index);
        var mask = cluster.Present;
        while (NextRun(ref mask, out var start, out var count))
        {
            var part = scratch.AsSpan(0, count * BlockRange.SectorSize);
            var status = CopyOut(cluster, BufferCluster.Mask(start, count), start, part);
            if (status == BlockStatus.Ok)
            {
                status = _disk.Write(DiskOffset(cluster.Index, start), part);
            }

            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        cluster.Present = default;
        return BlockStatus.Ok;
    }

    /// <summary>Adds to <paramref name="older"/> what only <paramref name="newer"/> holds: the older generation
    /// wins. Takes no slot, so it can't fail for want of one: a takeover needs it most when the buffer is
    /// full.</summary>
    public BlockStatus MergeInto(BufferCluster older, BufferCluster newer)
    {
        for (var page = 0; page < BufferCluster.Pages; page++)
        {
            var here = BufferCluster.Mask(page * BufferCluster.SectorsPerPage, BufferCluster.SectorsPerPage);
            var missing = newer.Present & ~older.Present & here;
            var data = missing & ~newer.Zero;
            if (data != 0 && older[page] < 0)
            {
                older[page] = newer[page];
                newer[page] = -1;
            }
            else if (data != 0)
            {
                var status = CopySectors(newer[page], older[page], data >> (page * BufferCluster.SectorsPerPage), older);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }

            older.Present |= missing;
            older.Zero |= missing & newer.Zero;
        }

        return BlockStatus.Ok;
    }

    private BlockStatus CopySectors(int from, int to, UInt128 sectors, BufferCluster cluster)
    {
        var scratch = Scratch(cluster.Index);
        while (NextRun(ref sectors, out var start, out var count))
        {
            var part = scratch.AsSpan(0, count * BlockRange.SectorSize);
            var status = _slots.Read(from, start * BlockRange.SectorSize, part);
            if (status == BlockStatus.Ok)
            {
                status = _slots.Write(to, start * BlockRange.SectorSize, part);
            }

            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>Gives the page a slot of its own with the same content, so that the old slot stays as the journal
    /// knows it.</summary>
    public BlockStatus MovePage(BufferCluster cluster, int page)
    {
        var from = cluster[page];
        if (from < 0)
        {
            return BlockStatus.Ok;
        }

        var to = _slots.Allocate();
        if (to < 0)
        {
            return BlockStatus.NoSpace;
        }

        var scratch = Scratch(cluster.Index).AsSpan(0, SlotStore.SlotSize);
        var status = _slots.Read(from, 0, scratch);
        if (status == BlockStatus.Ok)
        {
            status = _slots.Write(to, 0, scratch);
        }

        cluster[page] = status == BlockStatus.Ok ? to : from;
        return status;
    }

    /// <summary>Makes the slots' content safe in the file and lists them in the journal.</summary>
    public BlockStatus Journal(BufferCluster cluster, MergeJournal journal)
    {
        var scratch = Scratch(cluster.Index).AsSpan(0, SlotStore.SlotSize);
        for (var page = 0; page < BufferCluster.Pages; page++)
        {
            var present = (byte)(cluster.Present >> (page * BufferCluster.SectorsPerPage));
            if (present == 0)
            {
                continue;
            }

            var zero = (byte)(cluster.Zero >> (page * BufferCluster.SectorsPerPage));
            var slot = (present & ~zero) == 0 ? -1 : cluster[page];
            var status = BlockStatus.Ok;
            uint crc = 0;
            if (slot >= 0)
            {
                status = _slots.Read(slot, 0, scratch);
                crc = Crc32C.Compute(scratch);
                if (status == BlockStatus.Ok && _slots.IsInMemory(slot))
                {
                    status = _file.Write(SlotStore.FileOffset(slot), scratch);
                }
            }

            if (status == BlockStatus.Ok)
            {
                var diskPage = (cluster.Index * BufferCluster.Pages) + page;
                status = journal.Add(diskPage, slot, present, zero, crc);
            }

            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>The lowest run of ones; it is removed from the mask.</summary>
    public static bool NextRun(ref UInt128 mask, out int first, out int count)
    {
        if (mask == 0)
        {
            first = count = 0;
            return false;
        }

        first = (int)UInt128.TrailingZeroCount(mask);
        count = (int)UInt128.TrailingZeroCount(~(mask >> first));
        mask &= ~BufferCluster.Mask(first, count);
        return true;
    }

    private static long DiskOffset(long index, int sector) =>
        (index * BufferCluster.Size) + ((long)sector * BlockRange.SectorSize);

    private byte[] Scratch(long index) =>
        _scratch[BufferGeneration.StripeOf(index)] ??= GC.AllocateUninitializedArray<byte>(BufferCluster.Size, true);

    private static int SlotOf(ReadOnlySpan<BufferCluster> clusters, int page) =>
        clusters[page / BufferCluster.Pages][page % BufferCluster.Pages];

    /// <summary>Whether so many slots in a row are one piece of memory, or all in the file and not more than the
    /// scratch holds.</summary>
    private bool IsOneRun(int slot, int count) => _slots.IsInMemory(slot)
        ? _slots.TryGetMemory(slot, count, out _)
        : count <= BufferCluster.Pages;

    /// <summary>Reads pages whose slots are neighbours, and notes which of them are zeroes.</summary>
    private BlockStatus KeepRun(ReadOnlySpan<BufferCluster> clusters, int first, int slot, int count)
    {
        var inMemory = _slots.TryGetMemory(slot, count, out var memory);
        var scratch = inMemory ? [] : Scratch(clusters[first / BufferCluster.Pages].Index);
        var target = inMemory ? memory : scratch.AsSpan(0, count * SlotStore.SlotSize);
        var status = _disk.Read(DiskOffset(clusters[0].Index, first * BufferCluster.SectorsPerPage), target);
        var anyData = false;
        for (var i = 0; i < count && status == BlockStatus.Ok; i++)
        {
            var (cluster, page) = (clusters[(first + i) / BufferCluster.Pages], (first + i) % BufferCluster.Pages);
            var content = target.Slice(i * SlotStore.SlotSize, SlotStore.SlotSize);
            var sectors = BufferCluster.Mask(page * BufferCluster.SectorsPerPage, BufferCluster.SectorsPerPage);
            var isZero = !content.ContainsAnyExcept((byte)0);
            cluster.Zero = isZero ? cluster.Zero | sectors : cluster.Zero & ~sectors;
            anyData |= !isZero;
        }

        return status == BlockStatus.Ok && anyData && !inMemory ? _file.Write(SlotStore.FileOffset(slot), target) : status;
    }

    private BlockStatus KeepRun(BufferCluster cluster, int first, int count)
    {
        var status = AllocatePages(cluster, first, count, out var fresh);
        UInt128 zero = default;
        for (var at = 0; status == BlockStatus.Ok && at < count;)
        {
            var sectors = Group(cluster, first + at, count - at, out var slot, out var offset);
            var inMemory = _slots.TryGetMemory(slot, PagesOf(offset, sectors), out var memory);
            var target = inMemory
                ? memory.Slice(offset, sectors * BlockRange.SectorSize)
                : Scratch(cluster.Index).AsSpan(0, sectors * BlockRange.SectorSize);
            status = _disk.Read(DiskOffset(cluster.Index, first + at), target);
            if (status == BlockStatus.Ok)
            {
                zero |= ZeroSectors(target, first + at);
                status = inMemory ? BlockStatus.Ok : WriteGroup(slot, offset, target);
            }

            at += sectors;
        }

        if (status == BlockStatus.Ok)
        {
            var mask = BufferCluster.Mask(first, count);
            cluster.Present |= mask;
            cluster.Zero = (cluster.Zero & ~mask) | zero;
        }

        // Pages that turned out to be zeroes, or failed, need no slot.
        while (fresh != 0)
        {
            var page = BitOperations.TrailingZeroCount(fresh);
            fresh &= fresh - 1;
            DropSlotIfZero(cluster, page);
        }

        return status;
    }

    /// <summary>Which pages of the span, at page granularity, are zeroes; answered as sectors.</summary>
    private static UInt128 ZeroSectors(ReadOnlySpan<byte> data, int first)
    {
        UInt128 zero = default;
        for (var at = 0; at < data.Length;)
        {
            var sector = first + (at / BlockRange.SectorSize);
            var toPageEnd = BufferCluster.SectorsPerPage - (sector % BufferCluster.SectorsPerPage);
            var length = Math.Min(toPageEnd * BlockRange.SectorSize, data.Length - at);
            if (!data.Slice(at, length).ContainsAnyExcept((byte)0))
            {
                zero |= BufferCluster.Mask(sector, length / BlockRange.SectorSize);
            }

            at += length;
        }

        return zero;
    }

    private void DropSlotIfZero(BufferCluster cluster, int page)
    {
        var mask = BufferCluster.Mask(page * BufferCluster.SectorsPerPage, BufferCluster.SectorsPerPage);
        if (cluster[page] >= 0 && (cluster.Present & ~cluster.Zero & mask) == 0)
        {
            _slots.Free(cluster[page]);
            cluster[page] = -1;
        }
    }

    private BlockStatus AllocatePages(BufferCluster cluster, int first, int count, out int fresh)
    {
        fresh = 0;
        var last = (first + count - 1) / BufferCluster.SectorsPerPage;
        for (var page = first / BufferCluster.SectorsPerPage; page <= last; page++)
        {
            if (cluster[page] >= 0)
            {
                continue;
            }

            var slot = _slots.Allocate();
            if (slot < 0)
            {
                return BlockStatus.NoSpace;
            }

            cluster[page] = slot;
            fresh |= 1 << page;
        }

        return BlockStatus.Ok;
    }

    /// <summary>The longest part from <paramref name="first"/> whose slots are neighbours and of one kind, in sectors.
    /// <paramref name="offset"/> is the byte where it begins in the first slot.</summary>
    private int Group(BufferCluster cluster, int first, int count, out int slot, out int offset)
    {
        var page = first / BufferCluster.SectorsPerPage;
        offset = first % BufferCluster.SectorsPerPage * BlockRange.SectorSize;
        slot = cluster[page];
        var sectors = BufferCluster.SectorsPerPage - (first % BufferCluster.SectorsPerPage);
        var inMemory = _slots.IsInMemory(slot);
        for (var pages = 1; sectors < count && cluster[page + pages] == slot + pages; pages++)
        {
            if (inMemory && !_slots.TryGetMemory(slot, pages + 1, out _))
            {
                break;
            }

            sectors += BufferCluster.SectorsPerPage;
        }

        return Math.Min(sectors, count);
    }

    private static int PagesOf(int offset, int sectors) =>
        (offset + (sectors * BlockRange.SectorSize) + SlotStore.SlotSize - 1) / SlotStore.SlotSize;

    private BlockStatus WriteGroup(int slot, int offset, ReadOnlySpan<byte> data)
    {
        if (_slots.TryGetMemory(slot, PagesOf(offset, data.Length / BlockRange.SectorSize), out var memory))
        {
            data.CopyTo(memory[offset..]);
            return BlockStatus.Ok;
        }

        return _file.Write(SlotStore.FileOffset(slot) + offset, data);
    }

    private BlockStatus ReadGroup(int slot, int offset, Span<byte> data)
    {
        if (_slots.TryGetMemory(slot, PagesOf(offset, data.Length / BlockRange.SectorSize), out var memory))
        {
            memory.Slice(offset, data.Length).CopyTo(data);
            return BlockStatus.Ok;
        }

        return _file.Read(SlotStore.FileOffset(slot) + offset, data);
    }
}
