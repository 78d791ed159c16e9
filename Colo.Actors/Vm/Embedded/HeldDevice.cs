using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>A disk that can be read; changes and flushes wait for the device that takes its place.</summary>
internal sealed class HeldDevice(IBlockDevice view) : IBlockDevice
{
    private readonly TaskCompletionSource<IBlockDevice?> next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public long SizeBytes => view.SizeBytes;

    public bool IsReadOnly => view.IsReadOnly;

    /// <summary>What waited goes on there; with null it fails.</summary>
    public void Release(IBlockDevice? device) => next.TrySetResult(device);

    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default) =>
        view.ReadAsync(offset, destination, cancellation);

    public async ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false,
        CancellationToken cancellation = default) =>
        await next.Task.ConfigureAwait(false) is { } device
            ? await device.WriteAsync(offset, source, forceUnitAccess, cancellation).ConfigureAwait(false)
            : BlockStatus.IoError;

    public async ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) =>
        await next.Task.ConfigureAwait(false) is { } device
            ? await device.FlushAsync(cancellation).ConfigureAwait(false)
            : BlockStatus.IoError;

    public async ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default) =>
        await next.Task.ConfigureAwait(false) is { } device
            ? await device.WriteZeroesAsync(offset, length, mayUnmap, cancellation).ConfigureAwait(false)
            : BlockStatus.IoError;

    public async ValueTask<BlockStatus> DiscardAsync(
        long offset, long length, CancellationToken cancellation = default) =>
        await next.Task.ConfigureAwait(false) is { } device
            ? await device.DiscardAsync(offset, length, cancellation).ConfigureAwait(false)
            : BlockStatus.IoError;

    /// <summary>Both devices belong to who made them.</summary>
    public void Dispose()
    {
    }
}
