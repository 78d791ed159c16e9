namespace Colo.Simulation;

/// <summary>
/// The replicated disk of one host: durable sectors, and the secondary's buffer in front of them with its generations
/// (design, sections 6 and 7). Generation g holds the old content of sectors that the primary changed with tag g; the
/// overlay holds what the SVM wrote.
/// </summary>
public sealed class SimDisk
{
    public const int Sectors = 24;

    private readonly ulong[] _sectors;
    private readonly SortedDictionary<long, SortedDictionary<int, ulong>> _undo = [];
    private readonly SortedDictionary<int, ulong> _overlay = [];
    private SortedDictionary<int, ulong>? _merge;

    /// <summary>What a sector had since it was flushed, oldest first, without what it has now.</summary>
    private readonly SortedDictionary<int, List<ulong>> _cache = [];

    /// <summary>The entry that was written last: perhaps not durable, so still marked as to be written.</summary>
    private (int Sector, ulong Old, ulong New)? _unflushed;

    /// <param name="sectors">The platter; one for all hosts when the disk is shared.</param>
    public SimDisk(ulong[] sectors) => _sectors = sectors;

    /// <summary>What the host has noted of it.</summary>
    public SimBitmap Bitmap { get; } = new();

    /// <summary>It came back empty and has not been filled since.</summary>
    public bool IsLost { get; private set; }

    public bool Merging => _merge is not null;

    /// <summary>Something that was written is not there any more, and no guest has booted since.</summary>
    public bool HasLost { get; set; }

    /// <summary>Entries of the merge that were written, durable or not.</summary>
    public int Merged { get; private set; }

    /// <summary>The sectors as they are on the platter.</summary>
    public ulong[] Snapshot() => (ulong[])_sectors.Clone();

    /// <summary>The joiner's part of a copy.</summary>
    /// <param name="content">The owner's disk.</param>
    /// <param name="only">The sectors that are sent; null: all of them.</param>
    public void Overwrite(ulong[] content, IEnumerable<int>? only)
    {
        foreach (int sector in only ?? Enumerable.Range(0, Sectors))
        {
            _sectors[sector] = content[sector];
        }

        IsLost &= only is not null;
        Flush();
        Forget();
    }

    /// <summary>The host is dead, and comes back with another disk, an empty one.</summary>
    public void Lose(Mutant mutant)
    {
        Flush();
        Forget();
        Array.Clear(_sectors);
        Bitmap.Lose(mutant);
        IsLost = true;
        HasLost = false;
    }

    public void Write(int sector, ulong value)
    {
        Bitmap.Name(sector);
        // Of a sector that is still to be merged the merge's durable list has what comes back without this write.
        Note(sector, _merge is not null && _merge.TryGetValue(sector, out ulong listed) ? listed : _sectors[sector]);
        _sectors[sector] = value;
        _merge?.Remove(sector);
        _unflushed = _unflushed?.Sector == sector ? null : _unflushed;
    }

    public ulong Read(int sector) => _merge is not null && _merge.TryGetValue(sector, out ulong merged) ? merged : _sectors[sector];

    /// <summary>A write of the primary's guest arrives: keep what was there, once per generation.</summary>
    public void ApplyForwarded(int sector, ulong value, long tag)
    {
        if (!_undo.TryGetValue(tag, out SortedDictionary<int, ulong>? generation))
        {
            _undo[tag] = generation = [];
        }

        generation.TryAdd(sector, _sectors[sector]);
        Note(sector, _sectors[sector]);
        _sectors[sector] = value;
    }

    /// <summary>Everything that was written is durable.</summary>
    public void Flush() => _cache.Clear();

    /// <summary>The power is cut: each sector that was not flushed has something of what it had since, perhaps the
    /// halves of two writes.</summary>
    /// <returns>The sectors that may have changed by that.</returns>
    public IReadOnlyList<int> LoseUnflushed(SeededRandom random)
    {
        List<int> touched = [.. _cache.Keys];
        foreach ((int sector, List<ulong> had) in _cache)
        {
            had.Add(_sectors[sector]);
            ulong low = had[random.Below(had.Count)];
            ulong high = random.Chance(200) ? had[random.Below(had.Count)] : low;
            ulong kept = (high & 0xFFFF_FFFF_0000_0000) | (low & 0xFFFF_FFFF);
            HasLost |= kept != _sectors[sector];
            _sectors[sector] = kept;
        }

        Flush();
        return touched;
    }

    private void Note(int sector, ulong old)
    {
        if (!_cache.TryGetValue(sector, out List<ulong>? had))
        {
            _cache[sector] = had = [];
        }

        had.Add(old);
    }

    /// <summary>The owner of a shared disk is about to change a sector: keep what is there, once per
    /// generation.</summary>
    public void KeepOriginal(int sector, ulong value, long tag)
    {
        if (!_undo.TryGetValue(tag, out SortedDictionary<int, ulong>? generation))
        {
            _undo[tag] = generation = [];
        }

        generation.TryAdd(sector, value);
    }

    /// <summary>The buffer, and a merge that was cut short, belong to no guest any more.</summary>
    public void Forget()
    {
        DropBuffer();
        (_merge, _unflushed) = (null, null);
    }

    public void WriteSpeculative(int sector, ulong value) => _overlay[sector] = value;

    /// <summary>What the SVM sees that stands at image <paramref name="epoch"/> or beyond it.</summary>
    public ulong ReadSpeculative(int sector, long epoch) =>
        _overlay.TryGetValue(sector, out ulong own) ? own : ReadUndone(sector, epoch);

    /// <summary>The disk as it was at the capture of <paramref name="epoch"/>.</summary>
    public ulong ReadUndone(int sector, long epoch)
    {
        foreach ((long tag, SortedDictionary<int, ulong> generation) in _undo)
        {
            if (tag >= epoch && generation.TryGetValue(sector, out ulong old))
            {
                return old;
            }
        }

        return _sectors[sector];
    }

    /// <summary>Flip to image <paramref name="epoch"/>.</summary>
    public void DropGenerationsBelow(long epoch)
    {
        _overlay.Clear();
        foreach (long tag in _undo.Keys.Where(tag => tag < epoch).ToList())
        {
            _undo.Remove(tag);
        }
    }

    /// <summary>A survivor's buffer becomes its disk. The list is durable first, then applied sector by sector
    /// (S11).</summary>
    public void BeginMerge(long epoch)
    {
        SortedDictionary<int, ulong> merge = [];
        for (int sector = 0; sector < Sectors; sector++)
        {
            ulong seen = ReadSpeculative(sector, epoch);
            if (seen != _sectors[sector])
            {
                merge[sector] = seen;
                Bitmap.Name(sector);
            }
        }

        Flush();
        (_merge, Merged) = (merge, 0);
        DropBuffer();
    }

    /// <summary>Applies one entry. False when there is none left: the merge is done.</summary>
    public bool MergeOne()
    {
        if (_merge is not { Count: > 0 })
        {
            if (_merge is not null)
            {
                Flush();
            }

            (_merge, _unflushed) = (null, null);
            return false;
        }

        (int sector, ulong value) = _merge.First();
        _unflushed = (sector, _sectors[sector], value);
        _sectors[sector] = value;
        _merge.Remove(sector);
        Merged++;
        return true;
    }

    /// <summary>
    /// The process is gone: the buffer was in its memory, a merge list was on disk. An entry is marked as written only
    /// after it was flushed, so the last one may be lost and is written again.
    /// </summary>
    /// <param name="lost">Whether what was not flushed is lost.</param>
    /// <param name="marked">The bug: the entry was marked before it was flushed.</param>
    public void Crash(bool lost, bool marked)
    {
        DropBuffer();
        if (_unflushed is { } last && _merge is { } merge)
        {
            _sectors[last.Sector] = lost ? last.Old : last.New;
            if (!marked)
            {
                merge[last.Sector] = last.New;
            }
        }

        _unflushed = null;
    }

    /// <summary>Before a guest is started again: a merge that was begun is finished.</summary>
    public void Recover()
    {
        while (MergeOne())
        {
            // from the list
        }
    }

    public void DropBuffer()
    {
        _undo.Clear();
        _overlay.Clear();
    }
}
