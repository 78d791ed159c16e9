using System.Buffers.Binary;
using Colo.Vmm.Block;

namespace Colo.Simulation.Riscv;

/// <summary>The machine's disk: a sector is its first eight bytes, which the simulation's disk holds.</summary>
internal sealed class GuestDisk : IBlockDevice
{
    private const int SectorBytes = 512;

    /// <summary>The host under the guest while it runs.</summary>
    public IGuestHost? Host { get; set; }

    public long SizeBytes => SimDisk.Sectors * SectorBytes;

    public bool IsReadOnly => false;

    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default)
    {
        destination.Span.Clear();
        for (int at = 0; at < destination.Length; at += SectorBytes)
        {
            ulong value = Host!.ReadDisk((int)((offset + at) / SectorBytes));
            BinaryPrimitives.WriteUInt64LittleEndian(destination.Span[at..], value);
        }

        return ValueTask.FromResult(BlockStatus.Ok);
    }

    public ValueTask<BlockStatus> WriteAsync(
        long offset,
        ReadOnlyMemory<byte> source,
        bool forceUnitAccess = false,
        CancellationToken cancellation = default)
    {
        for (int at = 0; at < source.Length; at += SectorBytes)
        {
            ulong value = BinaryPrimitives.ReadUInt64LittleEndian(source.Span[at..]);
            Host!.WriteDisk((int)((offset + at) / SectorBytes), value);
        }

        Host!.FlushDisk(); // a disk without a cache: the program never flushes

        return ValueTask.FromResult(BlockStatus.Ok);
    }

    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) =>
        ValueTask.FromResult(BlockStatus.Ok);

    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default) =>
        ValueTask.FromResult(BlockStatus.NotSupported);

    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        ValueTask.FromResult(BlockStatus.NotSupported);

    public void Dispose()
    {
    }
}
