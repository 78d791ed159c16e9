namespace Colo.Vmm.Block;

/// <summary>A disk in memory, for tests and scratch. Flush does nothing: nothing survives the process.</summary>
public sealed class MemoryDevice : IBlockDevice
{
    private const int ChunkShift = 20;
    private readonly byte[]?[] _chunks;
    private readonly Lock _lock = new();

    /// <summary>A disk of zeroes; memory is taken when a part is first written.</summary>
    public MemoryDevice(long sizeBytes, bool readOnly = false)
    {
        if (!BlockRange.IsValid(0, sizeBytes, sizeBytes))
        {
            throw new ArgumentOutOfRangeException(nameof(sizeBytes), sizeBytes, "a disk is made of whole 512-byte sectors");
        }

        SizeBytes = sizeBytes;
        IsReadOnly = readOnly;
        _chunks = new byte[]?[checked((int)((sizeBytes + (1 << ChunkShift) - 1) >> ChunkShift))];
    }

    /// <summary>A disk with this content, padded with zeroes to whole sectors.</summary>
    public MemoryDevice(ReadOnlySpan<byte> content, bool readOnly = false)
        : this((content.Length + BlockRange.SectorSize - 1L) & ~(BlockRange.SectorSize - 1L), readOnly) =>
        Copy(0, content);

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default)
    {
        if (!BlockRange.IsValid(offset, destination.Length, SizeBytes))
        {
            return new(BlockStatus.OutOfRange);
        }

        var target = destination.Span;
        lock (_lock)
        {
            while (target.Length > 0)
            {
                var at = (int)(offset & ((1 << ChunkShift) - 1));
                var count = Math.Min(target.Length, (1 << ChunkShift) - at);
                var chunk = _chunks[(int)(offset >> ChunkShift)];
                if (chunk is null)
                {
                    target[..count].Clear();
                }
                else
                {
                    chunk.AsSpan(at, count).CopyTo(target);
                }

                offset += count;
                target = target[count..];
            }
        }

        return new(BlockStatus.Ok);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default)
    {
        var status = Check(offset, source.Length);
        if (status == BlockStatus.Ok)
        {
            Copy(offset, source.Span);
        }

        return new(status);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) => new(BlockStatus.Ok);

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default)
    {
        var status = Check(offset, length);
        if (status != BlockStatus.Ok)
        {
            return new(status);
        }

        lock (_lock)
        {
            while (length > 0)
            {
                var at = (int)(offset & ((1 << ChunkShift) - 1));
                var count = (int)Math.Min(length, (1 << ChunkShift) - at);
                _chunks[(int)(offset >> ChunkShift)]?.AsSpan(at, count).Clear();
                offset += count;
                length -= count;
            }
        }

        return new(BlockStatus.Ok);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        WriteZeroesAsync(offset, length, mayUnmap: true, cancellation);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private BlockStatus Check(long offset, long length) =>
        IsReadOnly ? BlockStatus.ReadOnly
        : BlockRange.IsValid(offset, length, SizeBytes) ? BlockStatus.Ok
        : BlockStatus.OutOfRange;

    private void Copy(long offset, ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            while (source.Length > 0)
            {
                var at = (int)(offset & ((1 << ChunkShift) - 1));
                var count = Math.Min(source.Length, (1 << ChunkShift) - at);
                ref var chunk = ref _chunks[(int)(offset >> ChunkShift)];
                chunk ??= new byte[1 << ChunkShift];
                source[..count].CopyTo(chunk.AsSpan(at));
                offset += count;
                source = source[count..];
            }
        }
    }
}
