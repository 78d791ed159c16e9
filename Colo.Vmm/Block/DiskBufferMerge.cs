namespace Colo.Vmm.Block;

/// <summary>The merge of one takeover: journal first, then the disk, cluster by cluster, while the guest may
/// run.</summary>
internal sealed class DiskBufferMerge
{
    private readonly IStorageFile _disk;
    private readonly IStorageFile _file;
    private readonly ClusterStore _store;
    private readonly GenerationChain _chain;
    private readonly BufferCluster[] _clusters;
    private int _next;
    private bool _syncFailed;

    /// <summary>Takes the list of clusters; the caller holds all stripes, and none appear or go from now on.</summary>
    public DiskBufferMerge(IStorageFile disk, IStorageFile file, ClusterStore store, GenerationChain chain)
    {
        _disk = disk;
        _file = file;
        _store = store;
        _chain = chain;

        // In the order of the disk: the write-back is then as sequential as it can be.
        _clusters = [.. Enumerable.Range(0, BufferGeneration.Stripes)
            .SelectMany(stripe => chain.Oldest[stripe].Values)
            .OrderBy(cluster => cluster.Index)];
    }

    public bool JournalTried { get; private set; }

    public long EntryCount { get; private set; }

    /// <summary>What will be merged is what the lost primary's disk lacks. Durable on Ok, before any of it
    /// changes.</summary>
    public BlockStatus NameIn(DirtyBitmap bitmap)
    {
        foreach (var cluster in _clusters)
        {
            var offset = cluster.Index * BufferCluster.Size;
            _ = bitmap.Mark(offset, Math.Min(BufferCluster.Size, bitmap.DiskSizeBytes - offset));
        }

        return bitmap.BeginRecording();
    }

    /// <summary>Lists in the file what will be merged. Durable, with everything else that the disk holds, on
    /// Ok.</summary>
    public BlockStatus WriteJournal(long indexOffset)
    {
        JournalTried = true;
        var journal = new MergeJournal(_file, indexOffset);
        foreach (var cluster in _clusters)
        {
            lock (_chain.StripeOf(cluster.Index))
            {
                var status = _store.Journal(cluster, journal);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }
        }

        EntryCount = journal.EntryCount;
        var finished = journal.Finish();

        // What the journal does not name must be durable too: writes of the primary that its guest never flushed,
        // and the guest's own since the takeover. Its earlier flushes here promised that.
        return finished == BlockStatus.Ok ? _disk.Flush() : finished;
    }

    /// <summary>Writes at most so many clusters back; complete when all are on the disk and durable.</summary>
    public BlockStatus Step(int clusters, out bool complete)
    {
        complete = false;
        if (_syncFailed)
        {
            return BlockStatus.IoError;
        }

        for (; clusters > 0 && _next < _clusters.Length; clusters--)
        {
            var cluster = _clusters[_next];
            lock (_chain.StripeOf(cluster.Index))
            {
                var status = _store.WriteBack(cluster);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }

            _next++;
        }

        if (_next < _clusters.Length)
        {
            return BlockStatus.Ok;
        }

        var flushed = _disk.Flush();

        // A failed fdatasync may have dropped dirty pages for good, and a second one would not say so: no retry.
        _syncFailed = flushed != BlockStatus.Ok;
        complete = !_syncFailed;
        return flushed;
    }
}
