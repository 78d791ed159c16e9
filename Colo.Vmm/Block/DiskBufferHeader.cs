using System.Buffers.Binary;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Block;

/// <summary>
/// The header of a buffer file: two copies, 512 bytes each at 0 and 4096, written in turn so that a torn write
/// leaves the other. Little endian; layout in docs/protocol-disk.md.
/// </summary>
internal sealed record DiskBufferHeader(
    DiskBufferState State, ulong Sequence, long DiskSizeBytes, ulong Term, ulong Epoch, long IndexOffset, long EntryCount)
{
    public const int Size = 512;
    private const long SecondCopy = 4096;
    private const ulong Magic = 0x465542444F4C4F43; // "COLODBUF"
    private const uint Version = 1;

    /// <summary>The newest valid copy, or null.</summary>
    public static DiskBufferHeader? Load(IStorageFile file)
    {
        Span<byte> bytes = stackalloc byte[Size];
        DiskBufferHeader? newest = null;
        for (var copy = 0; copy < 2; copy++)
        {
            if (file.Read(copy * SecondCopy, bytes) == BlockStatus.Ok && Parse(bytes) is { } header
                && (newest is null || header.Sequence > newest.Sequence))
            {
                newest = header;
            }
        }

        return newest;
    }

    /// <summary>Writes this header over the older copy, with what was written before it made durable first.</summary>
    public BlockStatus Store(IStorageFile file)
    {
        var status = file.Flush();
        if (status != BlockStatus.Ok)
        {
            return status;
        }

        Span<byte> bytes = stackalloc byte[Size];
        Format(bytes);
        status = file.Write((long)(Sequence & 1) * SecondCopy, bytes);
        return status == BlockStatus.Ok ? file.Flush() : status;
    }

    private void Format(Span<byte> bytes)
    {
        bytes.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], (uint)State);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], DiskSizeBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[32..], Term);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[40..], Epoch);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[48..], IndexOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[56..], EntryCount);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[508..], Crc32C.Compute(bytes[..508]));
    }

    private static DiskBufferHeader? Parse(ReadOnlySpan<byte> bytes)
    {
        var state = (DiskBufferState)BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes) != Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]) != Version
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[508..]) != Crc32C.Compute(bytes[..508])
            || state is < DiskBufferState.Running or > DiskBufferState.Stopped)
        {
            return null;
        }

        var header = new DiskBufferHeader(
            state,
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[40..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[56..]));
        return header.DiskSizeBytes < 0 || header.IndexOffset < 0 || header.EntryCount < 0 ? null : header;
    }
}
