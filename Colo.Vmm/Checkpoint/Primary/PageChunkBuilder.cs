using System.IO.Compression;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>
/// Builds one chunk in place: a page is copied from guest RAM straight into the frame that goes to the stream.
/// Layout as in <see cref="PageChunk"/>, with room for the frame header in front.
/// </summary>
internal sealed class PageChunkBuilder
{
    private const int BodyStart = FrameHeader.Size + PageChunk.HeaderSize;

    // Room for what may go out in one write with the last chunk.
    private const int BehindMax = FrameHeader.Size + PagesEnd.Size;

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
    private uint _bodyRegister;
    private bool _isAllPages = true;

    /// <param name="pagesMax">Pages of content after which the chunk is full, 1 to 256.</param>
    /// <param name="runsCrossBlocks">True when there is only one channel, see <see cref="PageChunk.TryParse"/>.</param>
    /// <param name="compress">Whether bodies are compressed when that makes them smaller.</param>
    public PageChunkBuilder(int pagesMax, bool runsCrossBlocks, bool compress)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pagesMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pagesMax, FrameLimits.PagesPerChunkMax);
        _pagesMax = pagesMax;
        _runsCrossBlocks = runsCrossBlocks;
        var size = BodyStart + pagesMax * FrameLimits.PageSize + _records.Length + BehindMax;
        _frame = GC.AllocateUninitializedArray<byte>(size);
        _compressed = compress ? GC.AllocateUninitializedArray<byte>(size) : null;
    }

    public bool IsEmpty => _recordCount == 0;

    /// <summary>No room for another page, whatever its kind turns out to be.</summary>
    public bool IsFull => _recordCount == FrameLimits.PagesPerChunkMax
        || _bodyLength + FrameLimits.PageSize > _pagesMax * FrameLimits.PageSize;

    /// <summary>Where the next page's bytes go; they count only once one of the Add methods is called.</summary>
    public Span<byte> NextPage => _frame.AsSpan(BodyStart + _bodyLength, FrameLimits.PageSize);

    /// <summary>The checksum's register behind the body's pages so far, begun with 0 as if nothing were before
    /// them.</summary>
    public uint BodyRegister => _bodyRegister;

    public void AddZero(int page) => Add(new PageRecord(page, PageKind.Zero, 1));

    /// <summary>The page stands in <see cref="NextPage"/>; <paramref name="register"/> is <see cref="BodyRegister"/>
    /// moved on behind it.</summary>
    public void AddRaw(int page, uint register)
    {
        _bodyRegister = register;
        Add(new PageRecord(page, PageKind.Raw, 1));
    }

    public void AddDelta(int page, ReadOnlySpan<byte> delta)
    {
        delta.CopyTo(NextPage);
        _isAllPages = false;
        Add(new PageRecord(page, PageKind.Delta, delta.Length));
    }

    /// <summary>Finishes the chunk and starts the next; the frame is valid until the next page is added.</summary>
    /// <param name="payloadCrc">Checksum of what is behind the room for the frame header.</param>
    /// <param name="behind">Bytes of room that the span has behind the chunk, at most those of a pages-end
    /// frame.</param>
    public Span<byte> Close(out uint payloadCrc, int behind = 0)
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
        var whole = frame.AsSpan(0, BodyStart + stored + records.Length);
        var payload = whole[FrameHeader.Size..];
        if (_isAllPages && ReferenceEquals(frame, _frame))
        {
            var register = Crc32C.Update(~0u, payload[..PageChunk.HeaderSize]);
            register = PageCrc32C.Skip(register, body / FrameLimits.PageSize) ^ _bodyRegister;
            payloadCrc = ~Crc32C.Update(register, records);
        }
        else
        {
            payloadCrc = Crc32C.Compute(payload);
        }

        _recordCount = 0;
        _bodyLength = 0;
        _bodyRegister = 0;
        _isAllPages = true;
        _last = default;
        return frame.AsSpan(0, whole.Length + behind);
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
