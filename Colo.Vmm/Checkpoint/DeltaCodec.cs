using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Checkpoint;

/// <summary>
/// A page as the difference to an older copy of it: the CRC-32C of the old copy, then pairs of (words that are equal,
/// words that differ) as two 16-bit numbers, each followed by the differing 8-byte words as old XOR new. Words
/// after the last pair are equal. The checksum makes a copy that the two ends disagree about an error and not a
/// wrong page.
/// </summary>
internal static class DeltaCodec
{
    public const int HeaderSize = 4;
    private const int WordCount = FrameLimits.PageSize / 8;

    /// <summary>
    /// Encodes <paramref name="page"/> against <paramref name="old"/> into <paramref name="destination"/>. Returns the
    /// length; <see cref="HeaderSize"/> when the pages are equal; -1 when it does not fit.
    /// </summary>
    public static int Encode(ReadOnlySpan<byte> old, ReadOnlySpan<byte> page, Span<byte> destination)
    {
        var oldWords = MemoryMarshal.Cast<byte, ulong>(old[..FrameLimits.PageSize]);
        var words = MemoryMarshal.Cast<byte, ulong>(page[..FrameLimits.PageSize]);
        var length = HeaderSize;
        var position = 0;
        while (position < WordCount)
        {
            var equal = oldWords[position..].CommonPrefixLength(words[position..]);
            var start = position + equal;
            if (start == WordCount)
            {
                break;
            }

            var end = start + 1;
            while (end < WordCount && oldWords[end] != words[end])
            {
                end++;
            }

            var need = 4 + 8 * (end - start);
            if (length + need > destination.Length)
            {
                return -1;
            }

            BinaryPrimitives.WriteUInt16LittleEndian(destination[length..], (ushort)equal);
            BinaryPrimitives.WriteUInt16LittleEndian(destination[(length + 2)..], (ushort)(end - start));
            length += 4;
            for (var i = start; i < end; i++, length += 8)
            {
                // The words keep their byte order in memory on both ends: XOR is bytewise.
                MemoryMarshal.Write(destination[length..], oldWords[i] ^ words[i]);
            }

            position = end;
        }

        if (destination.Length < HeaderSize)
        {
            return -1;
        }

        BinaryPrimitives.WriteUInt32LittleEndian(destination, Crc32C.Compute(old[..FrameLimits.PageSize]));
        return length;
    }

    /// <summary>
    /// Turns the old copy in <paramref name="page"/> into the new one. False when the delta is malformed or was made
    /// against another copy; the page's content is then of no use.
    /// </summary>
    public static bool TryApply(ReadOnlySpan<byte> delta, Span<byte> page)
    {
        page = page[..FrameLimits.PageSize];
        if (delta.Length < HeaderSize || BinaryPrimitives.ReadUInt32LittleEndian(delta) != Crc32C.Compute(page))
        {
            return false;
        }

        delta = delta[HeaderSize..];
        var position = 0;
        while (delta.Length > 0)
        {
            if (delta.Length < 4)
            {
                return false;
            }

            var equal = BinaryPrimitives.ReadUInt16LittleEndian(delta);
            var differing = BinaryPrimitives.ReadUInt16LittleEndian(delta[2..]);
            delta = delta[4..];
            if (differing == 0 || equal + differing > WordCount - position || delta.Length < 8 * differing)
            {
                return false;
            }

            var target = page.Slice(8 * (position + equal), 8 * differing);
            for (var i = 0; i < target.Length; i += 8)
            {
                MemoryMarshal.Write(target[i..], MemoryMarshal.Read<ulong>(target[i..]) ^ MemoryMarshal.Read<ulong>(delta[i..]));
            }

            delta = delta[(8 * differing)..];
            position += equal + differing;
        }

        return true;
    }
}
