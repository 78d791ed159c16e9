using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>How sending a set of pages ended.</summary>
internal enum SendEnd
{
    Done,
    Cancelled,
    Failed,
}

/// <summary>
/// Sends one channel's share of a set of pages, a chunk at a time, so that one thread can serve several channels in
/// turn: reads each page into the chunk that is being built, decides what to send of it, and writes it when it is full.
/// One thread at a time.
/// </summary>
internal sealed class PageChannelSender
{
    // A delta longer than half a page saves too little for what it costs on both sides.
    private const int DeltaLengthMax = FrameLimits.PageSize / 2;

    private static readonly PageHash s_zeroHash = PageHash.Compute(new byte[FrameLimits.PageSize]);

    private readonly CheckpointLink _link;
    private readonly FrameChannel _channel;
    private readonly int _index;
    private readonly PageLedger _ledger;
    private readonly PageChunkBuilder _builder;
    private readonly DeltaCache? _cache;
    private readonly byte[] _delta = new byte[DeltaLengthMax];
    private int _raw;
    private int _zero;
    private int _deltas;
    private int _equal;
    private ulong _chunks;
    private int _cursor;

    public PageChannelSender(CheckpointLink link, int index, PageLedger ledger, PrimaryCheckpointOptions options)
    {
        _link = link;
        _channel = link.PageChannel(index);
        _index = index;
        _ledger = ledger;
        var compress = options.Compress && (link.Features & LinkFeatures.Compression) != 0;
        _builder = new PageChunkBuilder(options.ChunkPages, link.PageChannelCount == 1, compress);
        var cached = options.DeltaCachePages / link.PageChannelCount;
        if (cached > 0 && (link.Features & LinkFeatures.Delta) != 0)
        {
            _cache = new DeltaCache((int)(link.Parameters.RamSize / FrameLimits.PageSize), cached);
        }
    }

    /// <summary>Pages since the last <see cref="ResetCounts"/>.</summary>
    public PageCounts Counts => new(_raw, _zero, _deltas, _equal);

    public void ResetCounts()
    {
        _raw = 0;
        _zero = 0;
        _deltas = 0;
        _equal = 0;
        _chunks = 0;
    }

    /// <summary>Nothing is known any more about what the secondary has.</summary>
    public void Forget()
    {
        _cache?.Clear();
        if (!_builder.IsEmpty)
        {
            _builder.Close(out _);
        }
    }

    /// <summary>Begins with the first page of a set.</summary>
    public void Begin() => _cursor = _index << 6;

    /// <summary>Sends the next chunk of this channel's pages of <paramref name="set"/>; behind the last one of a
    /// checkpoint says what this channel sent. <paramref name="isLast"/>: there are no more. False when the channel has
    /// failed.</summary>
    public bool TrySendChunk(FrameType type, CheckpointStamp stamp, DirtyPages set, IPageSource source, out bool isLast)
    {
        isLast = false;
        while (TryNextOwn(set, ref _cursor, out var page))
        {
            var register = _builder.BodyRegister;
            var peek = _cursor;
            var upcoming = set.NextSet(ref peek, out var next) ? next : -1;
            if (source.TryTake(page, _builder.NextPage, ref register, upcoming))
            {
                Add(page, register);
            }

            // Whether a full chunk is the last has to be known here: the end goes out in the same write.
            peek = _cursor;
            if (_builder.IsFull && TryNextOwn(set, ref peek, out _))
            {
                return Flush(type, stamp);
            }
        }

        isLast = true;
        return type == FrameType.PageChunk ? FlushAndEnd(stamp) : _builder.IsEmpty || Flush(type, stamp);
    }

    /// <summary>The next page of the set that travels on this channel.</summary>
    private bool TryNextOwn(DirtyPages set, ref int cursor, out int page)
    {
        var channels = _link.PageChannelCount;
        while (set.NextSet(ref cursor, out page))
        {
            var owner = _link.ChannelOf(page);
            if (owner == _index)
            {
                return true;
            }

            cursor = ((page >> 6) + (_index - owner + channels) % channels) << 6;
        }

        return false;
    }

    private bool Flush(FrameType type, CheckpointStamp stamp)
    {
        _chunks++;
        var frame = _builder.Close(out var payloadCrc);
        return _channel.TryWriteInPlace(type, stamp, frame, payloadCrc);
    }

    /// <summary>The rest of a checkpoint's pages and what this channel sent, in one write: the peer's reader wakes once
    /// for both.</summary>
    private bool FlushAndEnd(CheckpointStamp stamp)
    {
        _chunks += _builder.IsEmpty ? 0UL : 1;
        Span<byte> end = stackalloc byte[PagesEnd.Size];
        new PagesEnd((ulong)Counts.Sent, _chunks).Write(end);
        if (_builder.IsEmpty)
        {
            return _channel.TryWrite(FrameType.PagesEnd, stamp, end);
        }

        var frame = _builder.Close(out var payloadCrc, FrameHeader.Size + PagesEnd.Size);
        return _channel.TryWriteInPlace(FrameType.PageChunk, stamp, frame, payloadCrc, FrameType.PagesEnd, end);
    }

    private void Add(int page, uint register)
    {
        ReadOnlySpan<byte> content = _builder.NextPage;
        var isZero = PageContent.IsZero(content);
        if (_ledger.KeepsHashes && _ledger.IsEqualThenLearn(page, isZero ? s_zeroHash : PageHash.Compute(content)))
        {
            _equal++;
            return;
        }

        if (isZero)
        {
            _cache?.SentZero(page);
            _builder.AddZero(page);
            _zero++;
        }
        else if (_cache is null || !TryAddDelta(page, content, _cache))
        {
            _builder.AddRaw(page, register);
            _raw++;
        }
        else
        {
            return;
        }

        _ledger.Staged.Add(page);
    }

    /// <summary>True when the page needs no raw copy: sent as a delta, or found equal.</summary>
    private bool TryAddDelta(int page, ReadOnlySpan<byte> content, DeltaCache cache)
    {
        var length = cache.TryGet(page, out var old) ? DeltaCodec.Encode(old, content, _delta) : -1;
        if (length == DeltaCodec.HeaderSize)
        {
            _equal++;
            return true;
        }

        cache.Sent(page, content);
        if (length < 0)
        {
            return false;
        }

        _builder.AddDelta(page, _delta.AsSpan(0, length));
        _deltas++;
        _ledger.Staged.Add(page);
        return true;
    }
}
