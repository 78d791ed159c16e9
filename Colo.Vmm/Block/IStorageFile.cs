namespace Colo.Vmm.Block;

/// <summary>
/// The file layer below everything that this folder keeps on disk. Two implementations: the operating system's
/// files, and one for tests that loses and tears what was not flushed. Calls complete before they return and may
/// run in parallel.
/// </summary>
public interface IStorageFile : IDisposable
{
    /// <summary>Present length in bytes.</summary>
    long Length { get; }

    /// <summary>Fills the destination; bytes beyond the end read as zeroes.</summary>
    BlockStatus Read(long offset, Span<byte> destination);

    /// <summary>Writes the source, growing the file when needed. Durable only after <see cref="Flush"/>.</summary>
    BlockStatus Write(long offset, ReadOnlySpan<byte> source);

    /// <summary>Makes every completed write durable, with what is needed to find it again (length).</summary>
    BlockStatus Flush();

    /// <summary>Cuts or grows the file; new bytes read as zeroes.</summary>
    BlockStatus SetLength(long length);

    /// <summary>The range, inside the file, reads as zeroes afterwards; <see cref="BlockStatus.NotSupported"/> when
    /// only writing zeroes could do it.</summary>
    BlockStatus ZeroRange(long offset, long length, bool mayUnmap);

    /// <summary>Which part of the file has space allocated, starting at <paramref name="offset"/>: true for data.
    /// The extent's end is in <paramref name="end"/>, at most the file's length. A layer that doesn't know says
    /// data.</summary>
    bool IsAllocated(long offset, out long end);
}
