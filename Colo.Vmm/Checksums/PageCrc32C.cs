using System.Runtime.Intrinsics.X86;

namespace Colo.Vmm.Checksums;

/// <summary>
/// CRC-32C of pages of 4096 bytes while they are being copied: the checksum of a page is computed right behind its
/// copy, while that is in the first-level cache, so it costs no pass over memory of its own.
/// </summary>
internal static unsafe class PageCrc32C
{
    public const int PageSize = 4096;

    private const int CacheLine = 64;

    // Four streams of a quarter page each hide the instruction's latency of three cycles.
    private const int LaneWords = Crc32C.BlockLength / sizeof(ulong);

    private static readonly uint[] s_pageTable = Crc32C.BuildShiftTable(PageSize);

    /// <summary>Copies a page and returns the register behind it, see <see cref="Crc32C.Update"/>. What is copied is
    /// what the checksum covers, even while somebody writes to the source.</summary>
    /// <param name="register">The register before the page.</param>
    /// <param name="source">At least a page.</param>
    /// <param name="destination">At least a page, not overlapping.</param>
    /// <param name="upcoming">A page that is copied next, to be fetched into the cache meanwhile; empty: none is
    /// known.</param>
    public static uint Copy(
        uint register, ReadOnlySpan<byte> source, Span<byte> destination, ReadOnlySpan<byte> upcoming = default)
    {
        source = source[..PageSize];
        destination = destination[..PageSize];
        // The copy runs first: the processor fetches ahead in one stream over cold memory, and not in four. What it
        // leaves behind is in the first-level cache.
        source.CopyTo(destination);
        if (!Sse42.X64.IsSupported)
        {
            return Crc32C.Update(register, destination);
        }

        // JUSTIFICATION: bench checkpoint spends a sixth of a transfer in checksums; spans of four lanes would be
        // checked in each of 64 steps. Guest pages are cold, and fetching the next one here hides the checksum behind
        // it. SAFETY: both slices are a page long and pinned; 4 lanes of 128 words, like 64 lines, are exactly a page.
        fixed (byte* copied = destination, next = upcoming.IsEmpty ? destination : upcoming[..PageSize])
        {
            return UpdateX64(register, (ulong*)copied, next);
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

    private static uint UpdateX64(ulong a, ulong* page, byte* upcoming)
    {
        ulong b = 0;
        ulong c = 0;
        ulong d = 0;
        for (var i = 0; i < LaneWords; i += 2)
        {
            Sse.Prefetch0(upcoming + i / 2 * CacheLine);
            a = Sse42.X64.Crc32(a, page[i]);
            b = Sse42.X64.Crc32(b, page[i + LaneWords]);
            c = Sse42.X64.Crc32(c, page[i + 2 * LaneWords]);
            d = Sse42.X64.Crc32(d, page[i + 3 * LaneWords]);
            a = Sse42.X64.Crc32(a, page[i + 1]);
            b = Sse42.X64.Crc32(b, page[i + 1 + LaneWords]);
            c = Sse42.X64.Crc32(c, page[i + 1 + 2 * LaneWords]);
            d = Sse42.X64.Crc32(d, page[i + 1 + 3 * LaneWords]);
        }

        return Crc32C.Shift(Crc32C.Shift(Crc32C.Shift((uint)a) ^ (uint)b) ^ (uint)c) ^ (uint)d;
    }
}
