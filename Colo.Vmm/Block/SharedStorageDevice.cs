namespace Colo.Vmm.Block;

/// <summary>
/// The disk of a primary's guest when both hosts open one disk. Only the primary writes it; before a 64-KiB part is
/// changed for the first time in an epoch, its content goes to the secondary's buffer and the change waits until it
/// is there. After a lost link nothing is written until <see cref="ResumeSolo"/>: the secondary may be about to
/// take the disk over, and only the arbiter knows. (A write that the kernel holds when the host is paused for long
/// can still arrive late: that takes fencing in the storage.)
/// </summary>
public sealed class SharedStorageDevice : IBlockDevice
{
    private readonly IBlockDevice _disk;
    private readonly RangeLocks _ranges = new();
    private readonly HashSet<long> _kept = [];
    private readonly Lock _lock = new();
    private DiskLinkSender? _link;
    private TaskCompletionSource<bool>? _held;

    /// <summary>Starts without a secondary. The disk is not owned.</summary>
    public SharedStorageDevice(IBlockDevice disk) => _disk = disk;

    /// <inheritdoc/>
    public long SizeBytes => _disk.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => _disk.IsReadOnly;

    /// <summary>Called once when the link is lost; changes are held from then on.</summary>
    public Action<string>? PeerLost { get; set; }

    /// <summary>From now on originals are sent.</summary>
    public void Attach(DiskLinkSender link)
    {
        lock (_lock)
        {
            _link = link;
            _kept.Clear();
        }

        link.Lost = reason => Hold(link, reason);
        if (link.IsLost)
        {
            Hold(link, link.LossReason);
        }
    }

    /// <summary>This host owns the VM alone: held changes go on.</summary>
    public void ResumeSolo() => Release(true);

    /// <summary>The other host owns the VM: held changes fail, the disk is not touched any more.</summary>
    public void Fence() => Release(false);

    /// <summary>The capture of an epoch, with the guest stopped: true when the secondary has opened its
    /// generation.</summary>
    public async ValueTask<bool> BarrierAsync(ulong epoch)
    {
        DiskLinkSender? link;
        lock (_lock)
        {
            link = _link;
            _kept.Clear();
        }

        return link is not null && await link.BarrierAsync(epoch).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default) =>
        _disk.ReadAsync(offset, destination, cancellation);

    /// <inheritdoc/>
    public async ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default)
    {
        var (status, from, length) = await BeginAsync(offset, source.Length).ConfigureAwait(false);
        if (status != BlockStatus.Ok)
        {
            return status;
        }

        try
        {
            status = await KeepAsync(from, length).ConfigureAwait(false);
            return status == BlockStatus.Ok
                ? await _disk.WriteAsync(offset, source, forceUnitAccess, cancellation).ConfigureAwait(false)
                : status;
        }
        finally
        {
            _ranges.Leave(from, length);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default)
    {
        var (status, from, covered) = await BeginAsync(offset, length).ConfigureAwait(false);
        if (status != BlockStatus.Ok)
        {
            return status;
        }

        try
        {
            status = await KeepAsync(from, covered).ConfigureAwait(false);
            return status == BlockStatus.Ok
                ? await _disk.WriteZeroesAsync(offset, length, mayUnmap, cancellation).ConfigureAwait(false)
                : status;
        }
        finally
        {
            _ranges.Leave(from, covered);
        }
    }

    /// <summary>Zeroes, so that the content is the same for every reader.</summary>
    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        WriteZeroesAsync(offset, length, mayUnmap: true, cancellation);

    /// <inheritdoc/>
    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) => _disk.FlushAsync(cancellation);

    /// <summary>The disk stays with who made it.</summary>
    public void Dispose()
    {
    }

    private async ValueTask<(BlockStatus Status, long From, long Length)> BeginAsync(long offset, long length)
    {
        if (IsReadOnly || !BlockRange.IsValid(offset, length, SizeBytes))
        {
            return (IsReadOnly ? BlockStatus.ReadOnly : BlockStatus.OutOfRange, 0, 0);
        }

        var from = offset / DirtyBitmap.Granularity * DirtyBitmap.Granularity;
        var end = Math.Min(
            SizeBytes, (offset + length + DirtyBitmap.Granularity - 1) / DirtyBitmap.Granularity * DirtyBitmap.Granularity);
        await _ranges.EnterAsync(from, end - from).ConfigureAwait(false);
        return (BlockStatus.Ok, from, end - from);
    }

    private async ValueTask<BlockStatus> KeepAsync(long from, long length)
    {
        for (var at = from; at < from + length; at += DirtyBitmap.Granularity)
        {
            DiskLinkSender? link;
            Task<bool>? held;
            lock (_lock)
            {
                link = _link;
                held = _held?.Task;
                if (held is null && (link is null || _kept.Contains(at)))
                {
                    continue;
                }
            }

            if (held is not null)
            {
                if (!await held.ConfigureAwait(false))
                {
                    return BlockStatus.PeerLost;
                }

                continue;
            }

            var part = new byte[(int)Math.Min(DirtyBitmap.Granularity, SizeBytes - at)];
            var status = await _disk.ReadAsync(at, part).ConfigureAwait(false);
            if (status != BlockStatus.Ok)
            {
                return status;
            }

            if (await link!.KeepOriginalAsync(at, part).ConfigureAwait(false))
            {
                lock (_lock)
                {
                    _kept.Add(at);
                }
            }
            else
            {
                // Lost: the hold is in place or about to be; look again.
                Hold(link, link.LossReason);
                at -= DirtyBitmap.Granularity;
            }
        }

        return BlockStatus.Ok;
    }

    private void Hold(DiskLinkSender link, string reason)
    {
        lock (_lock)
        {
            if (!ReferenceEquals(_link, link))
            {
                return;
            }

            _link = null;
            _held = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        PeerLost?.Invoke(reason);
    }

    private void Release(bool goOn)
    {
        TaskCompletionSource<bool>? held;
        lock (_lock)
        {
            held = _held;
            if (goOn)
            {
                _held = null;
            }
        }

        held?.TrySetResult(goOn);
    }
}
