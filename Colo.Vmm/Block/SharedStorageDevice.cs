namespace Colo.Vmm.Block;

/// <summary>
/// The disk of a primary's guest when both hosts open one disk. Only the primary writes it; before a 64-KiB part is
/// changed for the first time in an epoch, its content goes to the secondary's buffer and the change waits until it
/// is there. After a lost link nothing is written until <see cref="ResumeSolo"/>: the secondary may be about to
/// take the disk over, and only the arbiter knows.
/// <code>
/// alone --Attach--> attached --first barrier--> pair --lost--> held --ResumeSolo--> alone
/// alone --Expect--> held --Attach(paired)--> pair                    \--Fence--> refused --Reset--> alone
/// </code>
/// In a pair the right to write is a lease: it holds for <see cref="Lease"/> from the moment at which a question was
/// sent that the secondary answered, and is asked for anew when it is over. A survivor leaves the disk alone for
/// <see cref="TakeOverDelay"/> after it has stopped answering. So a host that was frozen, and does not know yet that it
/// was given up, does not write. A change is made in pieces of at most <see cref="PieceMax"/> bytes and each asks for
/// hold and lease anew: to zero a gigabyte takes some storage seconds. A request that is fenced in its middle fails,
/// like one that never began: the secondary has the originals of what was done. (A piece that has passed the check and
/// is held by the kernel for longer than the difference of the two can still arrive late: that takes fencing in the
/// storage.)
/// </summary>
public sealed class SharedStorageDevice : IBlockDevice
{
    /// <summary>How long an answer of the secondary allows the primary to write.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a survivor waits before it changes the disk.</summary>
    public static readonly TimeSpan TakeOverDelay = TimeSpan.FromMilliseconds(300);

    /// <summary>Most bytes that are changed after one look at hold and lease: a disk of 10 MB/s has written them within
    /// half of the time between lease and takeover. Whole parts, so that each part is kept with one piece.</summary>
    internal const int PieceMax = 1 << 20;

    private readonly IBlockDevice _disk;
    private readonly TimeProvider _time;
    private readonly RangeLocks _ranges = new();
    private readonly HashSet<long> _kept = [];
    private readonly Lock _lock = new();
    private DiskLinkSender? _link;
    private TaskCompletionSource<bool>? _held;
    private bool _paired;
    private long _confirmedAt;

    /// <summary>Starts without a secondary. The disk is not owned.</summary>
    public SharedStorageDevice(IBlockDevice disk, TimeProvider? time = null)
    {
        _disk = disk;
        _time = time ?? TimeProvider.System;
    }

    /// <inheritdoc/>
    public long SizeBytes => _disk.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => _disk.IsReadOnly;

    /// <summary>Called once when the link is lost; in a pair changes are held from then on.</summary>
    public Action<string>? PeerLost { get; set; }

    /// <summary>Originals go over this link: from its first barrier on, or at once when the secondary's buffer has
    /// begun already (<paramref name="paired"/>).</summary>
    public void Attach(DiskLinkSender link, bool paired)
    {
        TaskCompletionSource<bool>? expected;
        lock (_lock)
        {
            _link = link;
            _paired = paired;
            _confirmedAt = long.MinValue;
            _kept.Clear();
            expected = _held;
            _held = null;
        }

        expected?.TrySetResult(true);
        link.Lost = reason => Hold(link, reason);
        if (link.IsLost)
        {
            Hold(link, link.LossReason);
        }
    }

    /// <summary>The roles were exchanged: changes wait for the new link.</summary>
    public void Expect()
    {
        lock (_lock)
        {
            _held ??= new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Uses the link no more, but leaves it open; the guest stands and becomes the secondary's.</summary>
    public void LetGo()
    {
        lock (_lock)
        {
            if (_link is { } link)
            {
                link.Lost = null;
            }

            _link = null;
            _paired = false;
        }
    }

    /// <summary>This host owns the VM alone: held changes go on.</summary>
    public void ResumeSolo()
    {
        DiskLinkSender? link;
        lock (_lock)
        {
            link = _link;
            _link = null;
            _paired = false;
        }

        Release(true);
        if (link is not null)
        {
            link.Lost = null;
            link.Abort("solo");
        }
    }

    /// <summary>The other host owns the VM: changes fail, the disk is not touched any more. Until
    /// <see cref="Reset"/>.</summary>
    public void Fence()
    {
        Expect();
        Release(false);
    }

    /// <summary>No guest uses the device; the next one begins alone.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            _link = null;
            _paired = false;
            _held = null;
        }
    }

    /// <summary>The capture of an epoch, with the guest stopped: true when the secondary has opened its
    /// generation.</summary>
    public async ValueTask<bool> BarrierAsync(ulong epoch)
    {
        DiskLinkSender? link;
        lock (_lock)
        {
            link = _link;
            _paired = link is not null;
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
            for (var done = 0; done < source.Length && status == BlockStatus.Ok;)
            {
                var count = (int)PieceLength(offset + done, source.Length - done);
                status = await KeepAsync(offset + done, count).ConfigureAwait(false);
                if (status == BlockStatus.Ok)
                {
                    status = await _disk.WriteAsync(
                        offset + done, source.Slice(done, count), forceUnitAccess, cancellation).ConfigureAwait(false);
                }

                done += count;
            }

            return status;
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
            for (long done = 0; done < length && status == BlockStatus.Ok;)
            {
                var count = PieceLength(offset + done, length - done);
                status = await KeepAsync(offset + done, count).ConfigureAwait(false);
                if (status == BlockStatus.Ok)
                {
                    status = await _disk.WriteZeroesAsync(
                        offset + done, count, mayUnmap, cancellation).ConfigureAwait(false);
                }

                done += count;
            }

            return status;
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

    /// <summary>Up to the next multiple of <see cref="PieceMax"/>: no part of the disk is in two pieces.</summary>
    private static long PieceLength(long at, long left) => Math.Min(left, PieceMax - (at % PieceMax));

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

    /// <summary>Ok when the range, which is not empty, may be changed now.</summary>
    private async ValueTask<BlockStatus> KeepAsync(long offset, long length)
    {
        for (var at = offset / DirtyBitmap.Granularity * DirtyBitmap.Granularity; at < offset + length;)
        {
            DiskLinkSender? link;
            Task<bool>? held;
            bool paired, kept, leased;
            lock (_lock)
            {
                (link, held, paired) = (_link, _held?.Task, _paired);
                kept = _kept.Contains(at);
                leased = _confirmedAt != long.MinValue && _time.GetElapsedTime(_confirmedAt) < Lease;
            }

            if (held is not null)
            {
                if (!await held.ConfigureAwait(false))
                {
                    return BlockStatus.PeerLost;
                }
            }
            else if (link is null || !paired)
            {
                return BlockStatus.Ok;
            }
            else if (!kept)
            {
                var status = await SendOriginalAsync(link, at).ConfigureAwait(false);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }
            else if (at + DirtyBitmap.Granularity < offset + length)
            {
                at += DirtyBitmap.Granularity;
            }
            else if (leased)
            {
                return BlockStatus.Ok;
            }
            else
            {
                var asked = _time.GetTimestamp();
                Confirm(link, asked, await link.FlushAsync().ConfigureAwait(false));
            }
        }

        return BlockStatus.Ok;
    }

    private async ValueTask<BlockStatus> SendOriginalAsync(DiskLinkSender link, long at)
    {
        var part = new byte[(int)Math.Min(DirtyBitmap.Granularity, SizeBytes - at)];
        var status = await _disk.ReadAsync(at, part).ConfigureAwait(false);
        if (status != BlockStatus.Ok)
        {
            return status;
        }

        var asked = _time.GetTimestamp();
        var arrived = await link.KeepOriginalAsync(at, part).ConfigureAwait(false);
        if (arrived)
        {
            lock (_lock)
            {
                _ = ReferenceEquals(_link, link) && _kept.Add(at);
            }
        }

        Confirm(link, asked, arrived);
        return BlockStatus.Ok;
    }

    /// <summary>An answer extends the lease; without one the hold is in place or about to be.</summary>
    private void Confirm(DiskLinkSender link, long askedAt, bool answered)
    {
        if (!answered)
        {
            Hold(link, link.LossReason);
            return;
        }

        lock (_lock)
        {
            if (ReferenceEquals(_link, link))
            {
                _confirmedAt = Math.Max(_confirmedAt, askedAt);
            }
        }
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
            if (_paired)
            {
                _held ??= new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            }
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
