using System.Buffers.Binary;
using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Devices;

/// <summary>
/// What a hostile guest has written to its disk: the n-th read begins with n + 1. Read into the index of the available
/// ring it makes one more request there, up to <see cref="ReadsMax"/>.
/// </summary>
internal sealed class RefillingDisk : IBlockDevice
{
    private int _reads;

    /// <summary>Bounds a device that would go on for ever.</summary>
    public int ReadsMax { get; set; } = 60_000;

    /// <summary>Whether answers come on another thread.</summary>
    public bool IsLate { get; init; }

    public int Reads => Volatile.Read(ref _reads);

    public long SizeBytes => 1 << 20;

    public bool IsReadOnly => false;

    /// <summary>The request that never ends; the rest of the sector goes where nobody looks.</summary>
    public static void Prepare(MockDriver driver) => driver.Add(
        0, RingSegment.Out(driver.Place(new byte[16]), 16), RingSegment.In(driver.AvailableRing(0) + 2, 2),
        RingSegment.In(driver.Allocate(510), 510), RingSegment.In(driver.Allocate(1), 1));

    public async ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default)
    {
        if (IsLate)
        {
            await Task.Yield();
        }

        int reads = Interlocked.Increment(ref _reads);
        BinaryPrimitives.WriteUInt16LittleEndian(destination.Span, (ushort)(reads < ReadsMax ? reads + 1 : reads));
        return BlockStatus.Ok;
    }

    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false,
        CancellationToken cancellation = default) => new(BlockStatus.Ok);

    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) => new(BlockStatus.Ok);

    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default) => new(BlockStatus.Ok);

    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        new(BlockStatus.Ok);

    public void Dispose()
    {
    }
}
