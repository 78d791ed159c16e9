using System.Buffers.Binary;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Block;

/// <summary>What a frame of the disk link is. Values are those on the wire; zero is invalid.</summary>
public enum DiskLinkType : byte
{
    /// <summary>No frame.</summary>
    None = 0,

    /// <summary>First frame of the primary: the length is the disk's size.</summary>
    Hello = 1,

    /// <summary>Guest write: payload.</summary>
    Write = 2,

    /// <summary>Guest write of zeroes, no payload; also what a discard becomes.</summary>
    WriteZeroes = 3,

    /// <summary>Capture: everything before it belongs to an earlier epoch than this frame's.</summary>
    Barrier = 4,

    /// <summary>What came before must be durable when this is acknowledged.</summary>
    Flush = 5,

    /// <summary>Shared disk: what the range holds before the primary changes it.</summary>
    Original = 6,

    /// <summary>Asks for the hashes of the range's 64-KiB parts.</summary>
    HashQuery = 7,

    /// <summary>Secondary to primary: the sequence up to which everything is done.</summary>
    Ack = 8,

    /// <summary>Secondary to primary: 32 bytes for each part, in order.</summary>
    Hashes = 9,

    /// <summary>Secondary to primary: it can't go on; the status is in the offset field.</summary>
    Failure = 10,

    /// <summary>Asks which session the disk belongs to and which parts of the range its bitmap names.</summary>
    StateQuery = 11,

    /// <summary>Secondary to primary: the session's term and number, 8 bytes each, and a bit for each part.</summary>
    State = 12,

    /// <summary>The disk belongs to a session of this term from now on, whose number is in the offset field, and may be
    /// changed.</summary>
    Adopt = 13,
}

/// <summary>
/// The 64-byte header of a frame. The sequence counts bytes, headers included, to the end of the frame, so an
/// acknowledgement says by itself how much is still under way. Little endian; layout in docs/protocol-disk.md.
/// </summary>
public readonly record struct DiskLinkFrame(
    DiskLinkType Type, ulong Term, ulong Epoch, long Sequence, long Offset, long Length, int PayloadLength, uint PayloadCrc)
{
    /// <summary>Bytes of a header.</summary>
    public const int Size = 64;

    /// <summary>The largest payload; longer writes become several frames.</summary>
    public const int PayloadMax = 1 << 20;

    private const uint Magic = 0x4B4C4443; // "CDLK"
    private const byte Version = 1;

    /// <summary>Writes the header with its checksum.</summary>
    public void Format(Span<byte> bytes)
    {
        bytes[..Size].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        bytes[4] = Version;
        bytes[5] = (byte)Type;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], Term);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], Epoch);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], Offset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[40..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[48..], PayloadLength);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[52..], PayloadCrc);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[60..], Crc32C.Compute(bytes[..60]));
    }

    /// <summary>False for anything that <see cref="Format"/> would not have made.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out DiskLinkFrame frame)
    {
        frame = default;
        if (bytes.Length < Size || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic || bytes[4] != Version
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[60..]) != Crc32C.Compute(bytes[..60]))
        {
            return false;
        }

        frame = new DiskLinkFrame(
            (DiskLinkType)bytes[5],
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[48..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[52..]));
        return frame.Type is >= DiskLinkType.Hello and <= DiskLinkType.Adopt
            && frame.PayloadLength is >= 0 and <= PayloadMax && frame.Offset >= 0 && frame.Length >= 0;
    }
}
