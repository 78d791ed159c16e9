using System.Buffers.Binary;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Checkpoint;

/// <summary>
/// The 48 bytes in front of every payload. Little-endian. The header has its own checksum, so that a damaged length is
/// noticed before anybody waits for that many bytes.
/// </summary>
internal readonly record struct FrameHeader(
    FrameType Type, int PayloadLength, uint PayloadCrc, CheckpointStamp Stamp, ulong Sequence)
{
    public const int Size = 48;
    public const uint Magic = 0x4B504343; // "CCPK" in file order

    public void Write(Span<byte> destination)
    {
        destination = destination[..Size];
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Magic);
        destination[4] = (byte)Type;
        destination[5..8].Clear();
        BinaryPrimitives.WriteInt32LittleEndian(destination[8..], PayloadLength);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[12..], PayloadCrc);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], Stamp.Term);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[24..], Stamp.Epoch);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[32..], Sequence);
        destination[40..44].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(destination[44..], Crc32C.Compute(destination[..44]));
    }

    /// <summary>Reads and checks all that a header says by itself; limits by type are <see
    /// cref="FrameLimits"/>'s.</summary>
    public static LinkFailure TryRead(ReadOnlySpan<byte> source, out FrameHeader header)
    {
        header = default;
        source = source[..Size];
        if (BinaryPrimitives.ReadUInt32LittleEndian(source) != Magic)
        {
            return LinkFailure.BadMagic;
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(source[44..]) != Crc32C.Compute(source[..44]))
        {
            return LinkFailure.BadChecksum;
        }

        var reserved = source[5] | source[6] | source[7] | BinaryPrimitives.ReadInt32LittleEndian(source[40..]);
        if (reserved != 0)
        {
            return LinkFailure.BadPayload;
        }

        header = new FrameHeader(
            (FrameType)source[4],
            BinaryPrimitives.ReadInt32LittleEndian(source[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(source[12..]),
            new CheckpointStamp(
                BinaryPrimitives.ReadUInt64LittleEndian(source[16..]),
                BinaryPrimitives.ReadUInt64LittleEndian(source[24..])),
            BinaryPrimitives.ReadUInt64LittleEndian(source[32..]));
        return FrameLimits.Check(header.Type, header.PayloadLength);
    }
}
