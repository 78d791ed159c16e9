using System.Buffers.Binary;

namespace Colo.Vmm.Checkpoint;

/// <summary>Payload of pages-end: what one channel sent for a checkpoint, pages sent ahead not counted.</summary>
internal readonly record struct PagesEnd(ulong Pages, ulong Chunks)
{
    public const int Size = 16;

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Pages);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], Chunks);
    }

    public static PagesEnd Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source), BinaryPrimitives.ReadUInt64LittleEndian(source[8..]));
}
