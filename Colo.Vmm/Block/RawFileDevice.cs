namespace Colo.Vmm.Block;

/// <summary>
/// A disk whose sectors are the bytes of a file, in order. Every request completes before the call returns (the
/// page cache answers most; a caller that must not block uses its own thread), so requests are ordered by the
/// caller.
/// </summary>
public sealed class RawFileDevice : IBlockDevice, IBlockMap
{
    private const int ZeroChunk = 256 * 1024;
    private static readonly byte[] Zeroes = new byte[ZeroChunk];
    private readonly IStorageFile _file;

    /// <summary>Opens an existing image. Throws the framework's IO exceptions when that fails.</summary>
    public RawFileDevice(string path, bool readOnly = false)
        : this(new OsFile(path, FileMode.Open, readOnly), readOnly)
    {
    }

    /// <summary>A disk over any file layer; it owns the file. A last part of less than a sector is not seen.</summary>
    public RawFileDevice(IStorageFile file, bool readOnly = false)
    {
        _file = file;
        IsReadOnly = readOnly;
        SizeBytes = file.Length & ~(long)(BlockRange.SectorSize - 1);
    }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <summary>Makes a new image that reads as zeroes; with <paramref name="preallocate"/> its space is taken
    /// now.</summary>
    public static RawFileDevice Create(string path, long sizeBytes, bool preallocate = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        var file = new OsFile(path, FileMode.CreateNew);
        var status = file.SetLength(sizeBytes);
        if (status == BlockStatus.Ok && preallocate && sizeBytes > 0)
        {
            status = file.Preallocate(sizeBytes);
        }

        if (status != BlockStatus.Ok)
        {
            file.Dispose();
            throw new IOException($"{path}: {sizeBytes} bytes could not be allocated: {status}");
        }

        return new RawFileDevice(file);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default) =>
        new(BlockRange.IsValid(offset, destination.Length, SizeBytes)
            ? _file.Read(offset, destination.Span)
            : BlockStatus.OutOfRange);

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default)
    {
        var status = Check(offset, source.Length);
        if (status == BlockStatus.Ok)
        {
            status = _file.Write(offset, source.Span);
        }

        return new(status == BlockStatus.Ok && forceUnitAccess ? _file.Flush() : status);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) =>
        new(IsReadOnly ? BlockStatus.Ok : _file.Flush());

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default)
    {
        var status = Check(offset, length);
        if (status != BlockStatus.Ok || length == 0)
        {
            return new(status);
        }

        status = _file.ZeroRange(offset, length, mayUnmap);
        return new(status == BlockStatus.NotSupported ? WriteZeroData(offset, length) : status);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default)
    {
        var status = Check(offset, length);
        if (status != BlockStatus.Ok || length == 0)
        {
            return new(status);
        }

        // A file layer that can't give space back keeps the content, which a discard allows.
        status = _file.ZeroRange(offset, length, mayUnmap: true);
        return new(status == BlockStatus.NotSupported ? BlockStatus.Ok : status);
    }

    /// <inheritdoc/>
    public bool IsAllocated(long offset, out long end)
    {
        var allocated = _file.IsAllocated(offset, out end);
        end = end >= SizeBytes ? SizeBytes : (end + BlockRange.SectorSize - 1) & ~(long)(BlockRange.SectorSize - 1);
        return allocated;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private BlockStatus Check(long offset, long length) =>
        IsReadOnly ? BlockStatus.ReadOnly
        : BlockRange.IsValid(offset, length, SizeBytes) ? BlockStatus.Ok
        : BlockStatus.OutOfRange;

    private BlockStatus WriteZeroData(long offset, long length)
    {
        while (length > 0)
        {
            var count = (int)Math.Min(length, ZeroChunk);
            var status = _file.Write(offset, Zeroes.AsSpan(0, count));
            if (status != BlockStatus.Ok)
            {
                return status;
            }

            offset += count;
            length -= count;
        }

        return BlockStatus.Ok;
    }
}
