using System.Runtime.CompilerServices;

namespace Colo.Vmm.Block;

/// <summary>Tells when the disk behind it fails a request: at most once a second, however many fail. Owns that
/// disk.</summary>
public sealed class WatchedDevice(IBlockDevice inner, Action<bool> failed, TimeProvider time) : IBlockDevice
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);
    private long toldAt;

    /// <inheritdoc/>
    public long SizeBytes => inner.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => inner.IsReadOnly;

    /// <inheritdoc/>
    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default) =>
        Watch(inner.ReadAsync(offset, destination, cancellation), isWrite: false);

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false,
        CancellationToken cancellation = default) =>
        Watch(inner.WriteAsync(offset, source, forceUnitAccess, cancellation), isWrite: true);

    /// <inheritdoc/>
    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) =>
        Watch(inner.FlushAsync(cancellation), isWrite: true);

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default) =>
        Watch(inner.WriteZeroesAsync(offset, length, mayUnmap, cancellation), isWrite: true);

    /// <inheritdoc/>
    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        Watch(inner.DiscardAsync(offset, length, cancellation), isWrite: true);

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();

    private ValueTask<BlockStatus> Watch(ValueTask<BlockStatus> request, bool isWrite)
    {
        if (!request.IsCompletedSuccessfully)
        {
            return WaitAsync(request, isWrite);
        }

        BlockStatus status = request.Result;
        Note(status, isWrite);
        return new ValueTask<BlockStatus>(status);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<BlockStatus> WaitAsync(ValueTask<BlockStatus> request, bool isWrite)
    {
        BlockStatus status = await request.ConfigureAwait(false);
        Note(status, isWrite);
        return status;
    }

    private void Note(BlockStatus status, bool isWrite)
    {
        if (status is not (BlockStatus.IoError or BlockStatus.NoSpace))
        {
            return;
        }

        long now = time.GetTimestamp();
        long before = Interlocked.Read(ref toldAt);
        if ((before == 0 || time.GetElapsedTime(before, now) >= Quiet)
            && Interlocked.CompareExchange(ref toldAt, now, before) == before)
        {
            failed(isWrite);
        }
    }
}
