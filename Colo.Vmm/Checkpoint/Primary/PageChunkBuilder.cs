using System.IO.Compression;

namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>
/// Builds one chunk in place: a page is copied from guest RAM straight into the frame that goes to the stream.
/// Layout as in <see cref="PageChunk"/>, with room for the frame header in front.
/// </summary>
internal sealed class PageChunkBuilder
{
    private const int BodyStart = FrameHeader.Size + PageChunk.HeaderSize;

    // Brotli's quality 1 is its fastest real compressor; a window of 2^18 bytes covers a default chunk.
    private const int BrotliQuality = 1;
    private const int BrotliWindowBits = 18;

    private readonly int _pagesMax;
    private readonly bool _runsCrossBlocks;
    private readonly byte[] _frame;
    private readonly byte[]? _compressed;
    private readonly byte[] _records = new byte[FrameLimits.PagesPerChunkMax * PageChunk.RecordSize];
    private PageRecord _last;
    private int _recordCount;
    private int _bodyLength;

    /// <param name="pagesMax">Pages of content after which the chunk is full, 1 to 256.</param>
    /// <param name="runsCrossBlocks">True when there is only one channel, see <see cref="PageChunk.TryParse"/>.</param>
    /// <param name="compress">Whether bodies are compressed when that makes them smaller.</param>
    public PageChunkBuilder(int pagesMax, bool runsCrossBlocks, bool compress)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pagesMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pagesMax, FrameLimits.PagesPerChunkMax);
        _pagesMax = pagesMax;
        _runsCrossBlocks = runsCrossBlocks;
        var size = BodyStart + pagesMax * FrameLimits.PageSize + _records.Length;
        _frame = GC.AllocateUninitializedArray<byte>(size);
        _compressed = compress ? GC.AllocateUninitializedArray<byte>(size) : null;
    }

    public bool IsEmpty => _recordCount == 0;

    /// <summary>No room for another page, whatever its kind turns out to be.</summary>
    public bool IsFull => _recordCount == FrameLimits.PagesPerChunkMax
        || _bodyLength + FrameLimits.PageSize > _pagesMax * FrameLimits.PageSize;

    /// <summary>Where the next page's bytes go; they count only once one of the Add methods is called.</summary>
    public Span<byte> NextPage => _frame.AsSpan(BodyStart + _bodyLength, FrameLimits.PageSize);

    public void AddZero(int page) => Add(new PageRecord(page, PageKind.Zero, 1));

    /// <summary>The page stands in <see cref="NextPage"/>.</summary>
    public void AddRaw(int page) => Add(new PageRecord(page, PageKind.Raw, 1));

    public void AddDelta(int page, ReadOnlySpan<byte> delta)
    {
        delta.CopyTo(NextPage);
        Add(new PageRecord(page, PageKind.Delta, delta.Length));
    }

    /// <summary>Finishes the chunk and starts the next; the frame is valid until the next page is added.</summary>
    public Span<byte> Close()
    {
        var records = _records.AsSpan(0, _recordCount * PageChunk.RecordSize);
        var body = _bodyLength;
        var frame = _frame;
        var stored = body;
        if (_compressed is not null && body > 0 && BrotliEncoder.TryCompress(
            _frame.AsSpan(BodyStart, body), _compressed.AsSpan(BodyStart, body), out var smaller, BrotliQuality,
            BrotliWindowBits) && smaller < body)
        {
            frame = _compressed;
            stored = smaller;
        }

        PageChunk.WriteHeader(frame.AsSpan(FrameHeader.Size), _recordCount, !ReferenceEquals(frame, _frame), stored, body);
        records.CopyTo(frame.AsSpan(BodyStart + stored));
        _recordCount = 0;
        _bodyLength = 0;
        _last = default;
        return frame.AsSpan(0, BodyStart + stored + records.Length);
    }

    private void Add(PageRecord record)
    {
        var extends = record.Kind == _last.Kind && record.Kind != PageKind.Delta
            && record.FirstPage == _last.FirstPage + _last.Count && _last.Count < ushort.MaxValue
            && (_runsCrossBlocks || record.FirstPage >> 6 == _last.FirstPage >> 6);
        if (extends)
        {
            _last = _last with { Count = _last.Count + 1 };
        }
        else
        {
            _last = record;
            _recordCount++;
        }

        PageChunk.WriteRecord(_records.AsSpan((_recordCount - 1) * PageChunk.RecordSize), _last);
        _bodyLength += record.BodyBytes;
    }
}
