using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>A disk of 1 MiB that answers nothing until it is released.</summary>
internal sealed class StuckDevice : IBlockDevice
{
    private readonly TaskCompletionSource<BlockStatus> _release = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Started => _started.Task;

    public long SizeBytes => 1 << 20;

    public bool IsReadOnly => false;

    public void Release() => _release.TrySetResult(BlockStatus.Ok);

    public ValueTask<BlockStatus> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation = default) => Wait();

    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default) => Wait();

    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) => Wait();

    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default) => Wait();

    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) => Wait();

    public void Dispose()
    {
    }

    private ValueTask<BlockStatus> Wait()
    {
        _started.TrySetResult();
        return new(_release.Task);
    }
}
