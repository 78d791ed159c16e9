using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Devices;

/// <summary>A disk that answers reads when the test says so.</summary>
internal sealed class LateDisk(IBlockDevice inner) : IBlockDevice
{
    private readonly Queue<TaskCompletionSource<BlockStatus>> _waiting = new();

    public bool IsLate { get; set; }

    public long SizeBytes => inner.SizeBytes;

    public bool IsReadOnly { get; init; }

    public void Answer() => _waiting.Dequeue().SetResult(BlockStatus.Ok);

    public ValueTask<BlockStatus> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation = default)
    {
        if (!IsLate)
        {
            return inner.ReadAsync(offset, destination, cancellation);
        }

        var answer = new TaskCompletionSource<BlockStatus>();
        _waiting.Enqueue(answer);
        return new ValueTask<BlockStatus>(answer.Task);
    }

    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default) =>
        inner.WriteAsync(offset, source, forceUnitAccess, cancellation);

    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) => inner.FlushAsync(cancellation);

    public ValueTask<BlockStatus> WriteZeroesAsync(long offset, long length, bool mayUnmap, CancellationToken cancellation = default) =>
        inner.WriteZeroesAsync(offset, length, mayUnmap, cancellation);

    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        inner.DiscardAsync(offset, length, cancellation);

    public void Dispose()
    {
    }
}
