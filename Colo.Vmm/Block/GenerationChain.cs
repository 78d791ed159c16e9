using System.Runtime.CompilerServices;

namespace Colo.Vmm.Block;

/// <summary>
/// The open generations of a disk buffer, oldest first, and the locks around them. A cluster belongs to a stripe;
/// whoever looks at or changes what is held of a cluster, or the disk below it, has the stripe's lock, so a copy of
/// the old sectors and the write that replaces them are one step for every reader. What changes the list of
/// generations holds all stripes.
/// </summary>
internal sealed class GenerationChain(IStorageFile disk, ClusterStore store)
{
    private const long SpanBytes = (long)BufferGeneration.Stripes * BufferCluster.Size;

    public static readonly byte[] Zeroes = new byte[BufferCluster.Size];
    private readonly Lock[] _stripes = CreateStripes();
    private readonly List<BufferGeneration> _generations = [];

    public int Count => _generations.Count;

    public BufferGeneration Oldest => _generations[0];

    public Lock StripeOf(long index) => _stripes[BufferGeneration.StripeOf(index)];

    public void Open(ulong epoch) => _generations.Add(new BufferGeneration { Epoch = epoch });

    /// <summary>Makes a part of the disk zeroes, by writing them where the file can't do it otherwise.</summary>
    public BlockStatus ZeroDisk(ClusterPiece piece, bool mayUnmap)
    {
        var status = disk.ZeroRange(piece.DiskOffset, piece.Length, mayUnmap);
        return status == BlockStatus.NotSupported
            ? disk.Write(piece.DiskOffset, Zeroes.AsSpan(0, piece.Length))
            : status;
    }

    /// <summary>Keeps what the disk holds now of the sectors that the newest generation has not.</summary>
    public BlockStatus KeepOld(long index, UInt128 mask)
    {
        var cluster = store.FindOrAdd(_generations[^1], index);
        return cluster is null ? BlockStatus.NoSpace : store.KeepFromDisk(cluster, mask & ~cluster.Present);
    }

    /// <summary>The same for a span of which no two clusters share a stripe. Clusters that are new as a whole are
    /// read together.</summary>
    public BlockStatus KeepOld(long offset, int length)
    {
        ClusterSpan fresh = default;
        var count = 0;
        foreach (var piece in new ClusterPieces(offset, length))
        {
            var cluster = store.FindOrAdd(_generations[^1], piece.Index);
            if (cluster is null)
            {
                return BlockStatus.NoSpace;
            }

            if (piece.Length == BufferCluster.Size && cluster.Present == 0)
            {
                fresh[count++] = cluster;
                continue;
            }

            var status = store.KeepFromDisk(fresh[..count]);
            count = 0;
            status = status == BlockStatus.Ok ? store.KeepFromDisk(cluster, piece.Mask & ~cluster.Present) : status;
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return store.KeepFromDisk(fresh[..count]);
    }

    /// <summary>The same with content that somebody else read from the disk.</summary>
    public BlockStatus KeepOriginal(long index, int first, ReadOnlySpan<byte> original)
    {
        var cluster = store.FindOrAdd(_generations[^1], index);
        return cluster is null ? BlockStatus.NoSpace : store.PutMissing(cluster, first, original);
    }

    /// <summary>What the guest sees: the oldest generation that has the sector, then the disk.</summary>
    public BlockStatus Read(long index, int first, Span<byte> destination)
    {
        var left = BufferCluster.Mask(first, destination.Length / BlockRange.SectorSize);
        foreach (var generation in _generations)
        {
            if (left != 0 && generation.Find(index) is { } cluster && (cluster.Present & left) is var here && here != 0)
            {
                var status = store.CopyOut(cluster, here, first, destination);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }

                left &= ~here;
            }
        }

        return store.CopyFromDisk(index, left, first, destination);
    }

    /// <summary>A write of the guest: into its own generation, the oldest.</summary>
    public BlockStatus Put(long index, int first, ReadOnlySpan<byte> data)
    {
        var cluster = store.FindOrAdd(_generations[0], index);
        return cluster is null ? BlockStatus.NoSpace : store.Put(cluster, first, data);
    }

    public BlockStatus PutZeroes(long index, int first, int count)
    {
        var cluster = store.FindOrAdd(_generations[0], index);
        if (cluster is null)
        {
            return BlockStatus.NoSpace;
        }

        store.PutZeroes(cluster, BufferCluster.Mask(first, count));
        return BlockStatus.Ok;
    }

    /// <summary>A write of the guest after the takeover: to the disk, and what was held of it is over.</summary>
    public BlockStatus WriteThrough(long index, int first, ReadOnlySpan<byte> data)
    {
        var status = disk.Write(DiskOffset(index, first), data);
        if (status == BlockStatus.Ok && _generations[0].Find(index) is { } cluster)
        {
            cluster.Present &= ~BufferCluster.Mask(first, data.Length / BlockRange.SectorSize);
        }

        return status;
    }

    /// <summary>What the buffer still holds is changed in the buffer, the rest on the disk: the disk failed under
    /// the merge, and the guest goes on with what still works. Slots that the journal names keep their
    /// content.</summary>
    public BlockStatus WriteAfterFailure(long index, int first, ReadOnlySpan<byte> data)
    {
        var cluster = _generations[0].Find(index);
        var mask = BufferCluster.Mask(first, data.Length / BlockRange.SectorSize);
        var held = (cluster?.Present ?? default) & mask;
        var free = mask & ~held;
        while (ClusterStore.NextRun(ref free, out var start, out var count))
        {
            var status = disk.Write(
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
                var moved = store.MovePage(cluster!, page);
                if (moved != BlockStatus.Ok)
                {
                    return moved;
                }
            }

            var part = data.Slice((start - first) * BlockRange.SectorSize, count * BlockRange.SectorSize);
            var status = store.Put(cluster!, start, part);
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>Drops the generations before this epoch's; false, with nothing dropped, when it is not open.</summary>
    public bool DropBefore(ulong epoch)
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
        return true;
    }

    /// <summary>Joins all generations into the oldest, for a takeover in its epoch.</summary>
    public BlockStatus JoinAll()
    {
        var status = BlockStatus.Ok;
        while (_generations.Count > 1 && status == BlockStatus.Ok)
        {
            status = JoinSecond();
        }

        return status;
    }

    /// <summary>Joins the second oldest generation into the oldest: its epoch was abandoned.</summary>
    public BlockStatus JoinSecond()
    {
        var status = JoinIntoOldest(_generations[1]);
        if (status == BlockStatus.Ok)
        {
            _generations.RemoveAt(1);
        }

        return status;
    }

    /// <summary>Lets go of everything.</summary>
    public void Clear()
    {
        foreach (var generation in _generations)
        {
            Release(generation);
        }

        _generations.Clear();
    }

    /// <summary>Where a span that begins here has to end at the latest, so that no two of its clusters share a
    /// stripe.</summary>
    public static long SpanEnd(long offset) => ((offset / SpanBytes) + 1) * SpanBytes;

    /// <summary>Locks the stripes of all clusters of a span, in the order in which everybody takes several of
    /// them.</summary>
    public void EnterSpan(long offset, int length)
    {
        var (first, last) = StripesOf(offset, length);
        for (var stripe = first; stripe <= last; stripe++)
        {
            _stripes[stripe].Enter();
        }
    }

    public void LeaveSpan(long offset, int length)
    {
        var (first, last) = StripesOf(offset, length);
        for (var stripe = first; stripe <= last; stripe++)
        {
            _stripes[stripe].Exit();
        }
    }

    public void EnterAll()
    {
        foreach (var stripe in _stripes)
        {
            stripe.Enter();
        }
    }

    public void LeaveAll()
    {
        foreach (var stripe in _stripes)
        {
            stripe.Exit();
        }
    }

    private static long DiskOffset(long index, int sector) =>
        (index * BufferCluster.Size) + ((long)sector * BlockRange.SectorSize);

    private void Release(BufferGeneration generation)
    {
        for (var stripe = 0; stripe < BufferGeneration.Stripes; stripe++)
        {
            foreach (var cluster in generation[stripe].Values)
            {
                store.Release(cluster);
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
                    var status = store.MergeInto(older, cluster);
                    if (status != BlockStatus.Ok)
                    {
                        return status;
                    }

                    store.Release(cluster);
                }
            }

            newer[stripe].Clear();
        }

        return BlockStatus.Ok;
    }

    private static (int First, int Last) StripesOf(long offset, int length) =>
        (BufferGeneration.StripeOf(offset / BufferCluster.Size),
            BufferGeneration.StripeOf((offset + length - 1) / BufferCluster.Size));

    private static Lock[] CreateStripes()
    {
        var stripes = new Lock[BufferGeneration.Stripes];
        for (var i = 0; i < stripes.Length; i++)
        {
            stripes[i] = new Lock();
        }

        return stripes;
    }

    [InlineArray(BufferGeneration.Stripes)]
    private struct ClusterSpan
    {
        private BufferCluster _first;
    }
}
