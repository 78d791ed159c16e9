namespace Colo.Vmm.Block;

/// <summary>The secondary's guest sees its disk buffer through this device.</summary>
public sealed class DiskBufferDevice(DiskBuffer buffer) : IBlockDevice
{
    /// <inheritdoc/>
    public long SizeBytes => buffer.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => false;

    /// <inheritdoc/>
    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default) =>
        new(buffer.Read(offset, destination.Span));

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default)
    {
        var status = buffer.Write(offset, source.Span);
        return new(status == BlockStatus.Ok && forceUnitAccess ? buffer.Flush() : status);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) => new(buffer.Flush());

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default) =>
        new(buffer.WriteZeroes(offset, length));

    /// <summary>Discarded sectors become zeroes, as on the primary: both replicas must read the same.</summary>
    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        new(buffer.WriteZeroes(offset, length));

    /// <summary>The buffer belongs to who made it.</summary>
    public void Dispose()
    {
    }
}
