using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>A disk whose requests complete on another thread, in any order.</summary>
internal sealed class LaterDevice(IBlockDevice inner) : IBlockDevice
{
    public long SizeBytes => inner.SizeBytes;

    public bool IsReadOnly => inner.IsReadOnly;

    public async ValueTask<BlockStatus> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation = default)
    {
        await Task.Yield();
        return await inner.ReadAsync(offset, destination, cancellation);
    }

    public async ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default)
    {
        await Task.Yield();
        return await inner.WriteAsync(offset, source, forceUnitAccess, cancellation);
    }

    public async ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default)
    {
        await Task.Yield();
        return await inner.FlushAsync(cancellation);
    }

    public async ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default)
    {
        await Task.Yield();
        return await inner.WriteZeroesAsync(offset, length, mayUnmap, cancellation);
    }

    public async ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default)
    {
        await Task.Yield();
        return await inner.DiscardAsync(offset, length, cancellation);
    }

    public void Dispose()
    {
    }
}
