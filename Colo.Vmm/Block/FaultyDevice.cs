namespace Colo.Vmm.Block;

/// <summary>A disk that fails or is slow as <see cref="DiskFaults"/> say, for drills (F19 to F21). Owns the disk behind
/// it.</summary>
public sealed class FaultyDevice(IBlockDevice inner, DiskFaults faults, TimeProvider time) : IBlockDevice
{
    /// <inheritdoc/>
    public long SizeBytes => inner.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => inner.IsReadOnly;

    /// <inheritdoc/>
    public async ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default)
    {
        await WaitAsync(cancellation).ConfigureAwait(false);
        return faults.ReadsFail
            ? BlockStatus.IoError
            : await inner.ReadAsync(offset, destination, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false,
        CancellationToken cancellation = default)
    {
        await WaitAsync(cancellation).ConfigureAwait(false);
        return faults.WritesFail
            ? BlockStatus.IoError
            : await inner.WriteAsync(offset, source, forceUnitAccess, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default)
    {
        await WaitAsync(cancellation).ConfigureAwait(false);
        return faults.WritesFail ? BlockStatus.IoError : await inner.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default)
    {
        await WaitAsync(cancellation).ConfigureAwait(false);
        return faults.WritesFail
            ? BlockStatus.IoError
            : await inner.WriteZeroesAsync(offset, length, mayUnmap, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default)
    {
        await WaitAsync(cancellation).ConfigureAwait(false);
        return faults.WritesFail
            ? BlockStatus.IoError
            : await inner.DiscardAsync(offset, length, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();

    private async ValueTask WaitAsync(CancellationToken cancellation)
    {
        if (faults.Latency is { Ticks: > 0 } latency)
        {
            await Task.Delay(latency, time, cancellation).ConfigureAwait(false);
        }
    }
}
