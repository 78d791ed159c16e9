using System.Runtime.Intrinsics.X86;

namespace Colo.Vmm.Checksums;

/// <summary>
/// CRC-32C of pages of 4096 bytes while they are being copied: the checksum is computed from what the copy has in the
/// processor's registers, so it costs no pass over memory of its own.
/// </summary>
internal static unsafe class PageCrc32C
{
    public const int PageSize = 4096;

    // Four streams of a quarter page each hide the instruction's latency of three cycles.
    private const int LaneWords = Crc32C.BlockLength / sizeof(ulong);

    private static readonly uint[] s_pageTable = Crc32C.BuildShiftTable(PageSize);

    /// <summary>Copies a page and returns the register behind it, see <see cref="Crc32C.Update"/>. What is copied is what
    /// the checksum covers, even while somebody writes to the source.</summary>
    /// <param name="register">The register before the page.</param>
    /// <param name="source">At least a page.</param>
    /// <param name="destination">At least a page, not overlapping.</param>
    public static uint Copy(uint register, ReadOnlySpan<byte> source, Span<byte> destination)
    {
        source = source[..PageSize];
        destination = destination[..PageSize];
        if (!Sse42.X64.IsSupported)
        {
            source.CopyTo(destination);
            return Crc32C.Update(register, destination);
        }

        // JUSTIFICATION: bench checkpoint spends a sixth of a transfer in separate checksum passes; spans of eight lanes
        // would be checked in each of 128 steps.
        // SAFETY: both slices are a page long and pinned; 4 lanes of 128 words are exactly a page.
        fixed (byte* from = source, to = destination)
        {
            return CopyX64(register, (ulong*)from, (ulong*)to);
        }
    }

    /// <summary>What the register becomes behind that many pages of zeros.</summary>
    public static uint Skip(uint register, int pages)
    {
        for (var i = 0; i < pages; i++)
        {
            register = Crc32C.Shift(s_pageTable, register);
        }

        return register;
    }

    private static uint CopyX64(ulong a, ulong* from, ulong* to)
    {
        ulong b = 0;
        ulong c = 0;
        ulong d = 0;
        for (var i = 0; i < LaneWords; i++)
        {
            var first = from[i];
            var second = from[i + LaneWords];
            var third = from[i + 2 * LaneWords];
            var fourth = from[i + 3 * LaneWords];
            to[i] = first;
            to[i + LaneWords] = second;
            to[i + 2 * LaneWords] = third;
            to[i + 3 * LaneWords] = fourth;
            a = Sse42.X64.Crc32(a, first);
            b = Sse42.X64.Crc32(b, second);
            c = Sse42.X64.Crc32(c, third);
            d = Sse42.X64.Crc32(d, fourth);
        }

        return Crc32C.Shift(Crc32C.Shift(Crc32C.Shift((uint)a) ^ (uint)b) ^ (uint)c) ^ (uint)d;
    }
}
