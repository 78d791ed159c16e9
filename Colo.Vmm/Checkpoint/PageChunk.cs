using System.Buffers.Binary;

namespace Colo.Vmm.Checkpoint;

/// <summary>How a record of a chunk describes its pages.</summary>
internal enum PageKind : byte
{
    None = 0,

    /// <summary>A run of pages of zeros; no bytes in the body.</summary>
    Zero = 1,

    /// <summary>A run of pages with 4096 bytes each in the body.</summary>
    Raw = 2,

    /// <summary>One page as a difference to the secondary's last copy, see <see cref="DeltaCodec"/>.</summary>
    Delta = 3,
}

/// <summary>One record: a run of pages of one kind, or one delta of <paramref name="Count"/> bytes.</summary>
internal readonly record struct PageRecord(int FirstPage, PageKind Kind, int Count)
{
    public int PageRun => Kind == PageKind.Delta ? 1 : Count;

    public int BodyBytes => Kind switch
    {
        PageKind.Raw => Count * FrameLimits.PageSize,
        PageKind.Delta => Count,
        PageKind.Zero or PageKind.None => 0,
        _ => 0,
    };
}

/// <summary>
/// A parsed chunk payload. Layout: header (16 bytes), body, records (8 bytes each). The records stand behind the body
/// so that the sender can build the body in place without knowing how many records there will be.
/// </summary>
internal readonly ref struct PageChunk
{
    public const int HeaderSize = 16;
    public const int RecordSize = 8;
    public const ushort CompressedFlag = 1;

    private PageChunk(ReadOnlySpan<byte> storedBody, ReadOnlySpan<byte> records, int bodyLength, bool isCompressed)
    {
        StoredBody = storedBody;
        Records = records;
        BodyLength = bodyLength;
        IsCompressed = isCompressed;
    }

    /// <summary>The body as it was sent.</summary>
    public ReadOnlySpan<byte> StoredBody { get; }

    /// <summary>Length of the body before compression.</summary>
    public int BodyLength { get; }

    public bool IsCompressed { get; }

    public int RecordCount => Records.Length / RecordSize;

    private ReadOnlySpan<byte> Records { get; }

    /// <summary>The record at <paramref name="index"/>; already checked by <see cref="TryParse"/>.</summary>
    public PageRecord this[int index] => ReadRecord(Records[(index * RecordSize)..]);

    /// <summary>
    /// Checks everything that can be checked without looking into the body: lengths add up exactly, pages exist, are in
    /// ascending order (so none comes twice) and belong to this channel.
    /// </summary>
    /// <param name="payload">The frame's payload.</param>
    /// <param name="pageCount">Pages of guest RAM.</param>
    /// <param name="channel">Number of the channel that it came on.</param>
    /// <param name="channels">Number of page channels.</param>
    /// <param name="chunk">The parsed chunk; views into <paramref name="payload"/>.</param>
    public static bool TryParse(
        ReadOnlySpan<byte> payload, int pageCount, int channel, int channels, out PageChunk chunk)
    {
        chunk = default;
        if (payload.Length < HeaderSize + RecordSize)
        {
            return false;
        }

        var records = BinaryPrimitives.ReadUInt16LittleEndian(payload);
        var flags = BinaryPrimitives.ReadUInt16LittleEndian(payload[2..]);
        var stored = BinaryPrimitives.ReadInt32LittleEndian(payload[4..]);
        var body = BinaryPrimitives.ReadInt32LittleEndian(payload[8..]);
        var reserved = BinaryPrimitives.ReadInt32LittleEndian(payload[12..]);
        var room = payload.Length - HeaderSize - records * RecordSize;
        if (records is 0 or > FrameLimits.PagesPerChunkMax || (flags & ~CompressedFlag) != 0 || reserved != 0
            || stored < 0 || stored != room || body < 0
            || body > FrameLimits.PagesPerChunkMax * FrameLimits.PageSize || (flags == 0 && body != stored))
        {
            return false;
        }

        chunk = new PageChunk(payload.Slice(HeaderSize, stored), payload[(HeaderSize + stored)..], body, flags != 0);
        return chunk.RecordsAreValid(pageCount, channel, channels);
    }

    public static void WriteHeader(Span<byte> destination, int records, bool compressed, int stored, int body)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(destination, (ushort)records);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[2..], compressed ? CompressedFlag : (ushort)0);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], stored);
        BinaryPrimitives.WriteInt32LittleEndian(destination[8..], body);
        BinaryPrimitives.WriteInt32LittleEndian(destination[12..], 0);
    }

    public static void WriteRecord(Span<byte> destination, PageRecord record)
    {
        BinaryPrimitives.WriteInt32LittleEndian(destination, record.FirstPage);
        destination[4] = (byte)record.Kind;
        destination[5] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], (ushort)record.Count);
    }

    private static PageRecord ReadRecord(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadInt32LittleEndian(source),
        (PageKind)source[4],
        BinaryPrimitives.ReadUInt16LittleEndian(source[6..]));

    private bool RecordsAreValid(int pageCount, int channel, int channels)
    {
        var body = 0;
        var next = 0L;
        for (var i = 0; i < RecordCount; i++)
        {
            var record = this[i];
            var known = record.Kind is PageKind.Zero or PageKind.Raw or PageKind.Delta;
            var end = (long)record.FirstPage + record.PageRun;
            if (!known || Records[i * RecordSize + 5] != 0 || record.Count == 0 || record.FirstPage < next || end > pageCount)
            {
                return false;
            }

            if (record.Kind == PageKind.Delta && record.Count is < DeltaCodec.HeaderSize or >= FrameLimits.PageSize)
            {
                return false;
            }

            // Runs stay inside a block of 64 pages unless there is only one channel, so both ends tell the owner.
            var firstBlock = record.FirstPage >> 6;
            var lastBlock = (int)((end - 1) >> 6);
            if (channels > 1 && (firstBlock != lastBlock || firstBlock % channels != channel))
            {
                return false;
            }

            body += record.BodyBytes;
            if (body > BodyLength)
            {
                return false;
            }

            next = end;
        }

        return body == BodyLength;
    }
}
