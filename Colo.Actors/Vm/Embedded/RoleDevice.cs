using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>The device that the guest's virtio disk sees; what is behind it changes with the host's role, between two
/// requests.</summary>
internal sealed class RoleDevice(IBlockDevice first) : IBlockDevice
{
    private volatile IBlockDevice current = first;

    public IBlockDevice Current
    {
        get => current;
        set => current = value;
    }

    public long SizeBytes => current.SizeBytes;

    public bool IsReadOnly => current.IsReadOnly;

    public ValueTask<BlockStatus> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation = default) =>
        current.ReadAsync(offset, destination, cancellation);

    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default) =>
        current.WriteAsync(offset, source, forceUnitAccess, cancellation);

    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) => current.FlushAsync(cancellation);

    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default) =>
        current.WriteZeroesAsync(offset, length, mayUnmap, cancellation);

    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        current.DiscardAsync(offset, length, cancellation);

    /// <summary>A machine that is thrown away leaves its disks to the next one.</summary>
    public void Dispose()
    {
    }
}
