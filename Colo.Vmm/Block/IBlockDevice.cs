namespace Colo.Vmm.Block;

/// <summary>
/// A disk. Offsets and lengths are bytes and multiples of 512. Requests may run in parallel; two that overlap and
/// are in flight together have no order between them. A request that completed is seen by every later one, and is
/// durable after the next <see cref="FlushAsync"/> that completes. Requests complete synchronously where they can.
/// A cancelled request throws <see cref="OperationCanceledException"/>; everything else is a
/// <see cref="BlockStatus"/>.
/// </summary>
public interface IBlockDevice : IDisposable
{
    /// <summary>Size in bytes, a multiple of 512; constant while the device is open.</summary>
    long SizeBytes { get; }

    /// <summary>True when changes are refused with <see cref="BlockStatus.ReadOnly"/>.</summary>
    bool IsReadOnly { get; }

    /// <summary>Fills all of <paramref name="destination"/>; its content is undefined unless the result is
    /// Ok.</summary>
    ValueTask<BlockStatus> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation = default);

    /// <summary>Writes all of <paramref name="source"/>, which must not change until completion. With
    /// <paramref name="forceUnitAccess"/> the data is durable when the request completes.</summary>
    ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default);

    /// <summary>Makes every change that completed before durable.</summary>
    ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default);

    /// <summary>The range reads as zeroes afterwards. With <paramref name="mayUnmap"/> its space may be given
    /// back.</summary>
    ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default);

    /// <summary>The content of the range is no longer needed. It may read as before or as zeroes, but always the
    /// same.</summary>
    ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default);
}
