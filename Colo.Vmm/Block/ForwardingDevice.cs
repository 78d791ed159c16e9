using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace Colo.Vmm.Block;

/// <summary>
/// The disk of a primary's guest: every change goes to the local disk and, while a link is attached, to the
/// secondary, in the same order for each sector. Without a link the persistent bitmap records what the peer will
/// lack; with one it names what may be on one side only.
/// <code>Solo --Attach--> Forwarding --lost--> Solo      Solo --Expect--> changes wait --Attach or Detach--></code>
/// A write completes when it is on the local disk and has its place in the link's order: output commit does not
/// need the secondary's answer for a write, the barrier of the next checkpoint proves them all (S10). A slow
/// secondary slows the guest only as far as the link's bound. Nothing is acknowledged to the guest in Solo before
/// its bit is on disk.
/// </summary>
public sealed class ForwardingDevice : IBlockDevice
{
    private readonly IBlockDevice _local;
    private readonly DirtyBitmap _bitmap;
    private readonly UnsyncedMap _unsynced;
    private readonly RangeLocks _ranges = new();
    private readonly Lock _lock = new();
    private volatile DiskLinkSender? _link;
    private volatile TaskCompletionSource? _expected;

    /// <summary>Starts Solo: the bitmap must be recording. Neither is owned.</summary>
    public ForwardingDevice(IBlockDevice local, DirtyBitmap bitmap)
    {
        if (bitmap.DiskSizeBytes != local.SizeBytes)
        {
            throw new ArgumentException($"bitmap of {bitmap.DiskSizeBytes} bytes for a disk of {local.SizeBytes}", nameof(bitmap));
        }

        _local = local;
        _bitmap = bitmap;
        _unsynced = new UnsyncedMap(local.SizeBytes);
    }

    /// <inheritdoc/>
    public long SizeBytes => _local.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => _local.IsReadOnly;

    /// <summary>Whether changes go to a secondary now.</summary>
    public bool IsForwarding => _link is not null;

    /// <summary>Called once for each link that is lost, with the reason, after the bitmap records again.</summary>
    public Action<string>? PeerLost { get; set; }

    /// <summary>The disks are equal and a link is being made: changes wait for it, so that no copy is needed. Until
    /// <see cref="Attach"/> or <see cref="Detach"/>.</summary>
    public void Expect() => _expected = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>From now on changes go to the secondary as well. The bitmap goes on recording until
    /// <see cref="CompletePair"/>: a resync runs in between.</summary>
    public void Attach(DiskLinkSender link)
    {
        link.Lost = reason => HandleLoss(link, reason);
        lock (_lock)
        {
            _link = link;
        }

        EndExpecting();

        if (link.IsLost)
        {
            HandleLoss(link, link.LossReason);
        }
    }

    /// <summary>The resync is done and the pair begins: the bitmap stops recording, durably. Ok only while the link
    /// is up and nothing is dirty.</summary>
    public BlockStatus CompletePair()
    {
        lock (_lock)
        {
            if (_link is null)
            {
                return BlockStatus.PeerLost;
            }

            return _bitmap.NextDirty(0) >= 0 ? BlockStatus.NotSupported : _bitmap.EndRecording();
        }
    }

    /// <summary>Gives the secondary up: as if the link were lost.</summary>
    public void Detach(string reason)
    {
        _link?.Abort(reason);
        EndExpecting();
    }

    /// <summary>Uses the link no more, but leaves it open: the roles are exchanged, and a link that breaks before the
    /// peer knows would look like a failure.</summary>
    public void LetGo()
    {
        if (_link is { } link)
        {
            link.Lost = null;
            HandleLoss(link, string.Empty, tell: false);
        }
    }

    /// <summary>The capture of an epoch, with the guest stopped and its requests drained: true when the secondary
    /// has applied every earlier change.</summary>
    public ValueTask<bool> BarrierAsync(ulong epoch) => _link is { } link ? link.BarrierAsync(epoch) : new(false);

    /// <inheritdoc/>
    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default) =>
        _local.ReadAsync(offset, destination, cancellation);

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default)
    {
        if (Check(offset, source.Length) is var refused && refused != BlockStatus.Ok)
        {
            return refused;
        }

        await BeginAsync(offset, source.Length).ConfigureAwait(false);
        DiskLinkSender? link = null;
        try
        {
            var named = Name(offset, source.Length, out link);
            while (named == BlockStatus.Ok && link is not null
                && !await link.WriteAsync(offset, source).ConfigureAwait(false))
            {
                named = NameAgain(offset, source.Length, ref link);
            }

            if (named != BlockStatus.Ok)
            {
                return named;
            }

            return await _local.WriteAsync(offset, source, forceUnitAccess, cancellation).ConfigureAwait(false);
        }
        finally
        {
            End(link, offset, source.Length);
        }
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default)
    {
        if (Check(offset, length) is var refused && refused != BlockStatus.Ok)
        {
            return refused;
        }

        await BeginAsync(offset, length).ConfigureAwait(false);
        DiskLinkSender? link = null;
        try
        {
            var named = Name(offset, length, out link);
            while (named == BlockStatus.Ok && link is not null
                && !await link.WriteZeroesAsync(offset, length).ConfigureAwait(false))
            {
                named = NameAgain(offset, length, ref link);
            }

            if (named != BlockStatus.Ok)
            {
                return named;
            }

            return await _local.WriteZeroesAsync(offset, length, mayUnmap, cancellation).ConfigureAwait(false);
        }
        finally
        {
            End(link, offset, length);
        }
    }

    /// <summary>Becomes zeroes on both sides: what a discarded sector reads as may differ between two disks.</summary>
    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default) =>
        WriteZeroesAsync(offset, length, mayUnmap: true, cancellation);

    /// <summary>Flushes the local disk, and tells the secondary to without waiting: a survivor there has its own
    /// history.</summary>
    public async ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default)
    {
        if (_link is not { } link)
        {
            return await _local.FlushAsync(cancellation).ConfigureAwait(false);
        }

        var began = _unsynced.BeginFlush();
        var peer = link.FlushAsync();
        var status = await _local.FlushAsync(cancellation).ConfigureAwait(false);
        _ = EndFlushAsync(peer, began, status);
        return status;
    }

    /// <summary>Reads a part and sends it, apart from the guest's changes of it; for the resync. The answer is
    /// false when the link is lost, else whether it was sent: not when <paramref name="known"/> says that the peer
    /// has it.</summary>
    internal async ValueTask<(BlockStatus Status, bool Sent)> CopyPartAsync(
        DiskLinkSender link, long offset, Memory<byte> part, Func<ReadOnlyMemory<byte>, bool> known)
    {
        await _ranges.EnterAsync(offset, part.Length).ConfigureAwait(false);
        try
        {
            var status = await _local.ReadAsync(offset, part).ConfigureAwait(false);
            if (status != BlockStatus.Ok || known(part))
            {
                return (status, false);
            }

            _unsynced.Enter(offset, part.Length);
            var sent = await link.WriteAsync(offset, part).ConfigureAwait(false);
            _unsynced.Leave(offset, part.Length);
            return sent ? (BlockStatus.Ok, true) : (BlockStatus.PeerLost, false);
        }
        finally
        {
            _ranges.Leave(offset, part.Length);
        }
    }

    /// <summary>The hashes of a range's parts here and at the peer, both at one place in the order of changes; those of
    /// the range wait meanwhile. The range is at most as long as one question may be.</summary>
    internal async ValueTask<BlockStatus> HashBothAsync(
        DiskLinkSender link, long offset, Memory<byte> range, Memory<byte> ours, Memory<byte> theirs)
    {
        await _ranges.EnterAsync(offset, range.Length).ConfigureAwait(false);
        try
        {
            var asked = link.HashAsync(offset, range.Length, theirs);
            var status = await _local.ReadAsync(offset, range).ConfigureAwait(false);
            for (int at = 0, used = 0; at < range.Length; at += DirtyBitmap.Granularity)
            {
                var part = range.Span.Slice(at, Math.Min(DirtyBitmap.Granularity, range.Length - at));
                used += SHA256.HashData(part, ours.Span[used..]);
            }

            return await asked.ConfigureAwait(false) ? status : BlockStatus.PeerLost;
        }
        finally
        {
            _ranges.Leave(offset, range.Length);
        }
    }

    /// <summary>The parts stay with who made them.</summary>
    public void Dispose()
    {
    }

    private BlockStatus Check(long offset, long length) =>
        IsReadOnly ? BlockStatus.ReadOnly
        : BlockRange.IsValid(offset, length, SizeBytes) ? BlockStatus.Ok
        : BlockStatus.OutOfRange;

    private async ValueTask BeginAsync(long offset, long length)
    {
        if (_expected is { } expected)
        {
            await expected.Task.ConfigureAwait(false);
        }

        await _ranges.EnterAsync(offset, length).ConfigureAwait(false);
    }

    private void End(DiskLinkSender? link, long offset, long length)
    {
        if (link is not null)
        {
            _unsynced.Leave(offset, length);
        }

        _ranges.Leave(offset, length);
    }

    private void EndExpecting()
    {
        _expected?.TrySetResult();
        _expected = null;
    }

    /// <summary>
    /// Before a change: without a link the bitmap has its name, durably; with one it is named as under way before its
    /// frame is queued, so that whoever handles a loss after it finds the name. Which of the two is one decision with
    /// <see cref="Attach"/> and the loss: a change that finds no link is marked before a resync can begin. The file has
    /// to know of one under way too, because a crash of this host could leave the peer alone with it.
    /// </summary>
    private BlockStatus Name(long offset, long length, out DiskLinkSender? link)
    {
        lock (_lock)
        {
            link = _link;
            if (link is null)
            {
                // It may wait for the medium, but so does, in the bitmap's own lock, whoever else would want this one.
                return _bitmap.Mark(offset, length);
            }

            _unsynced.Enter(offset, length);
        }

        return _bitmap.Pin(offset, length);
    }

    /// <summary>The link did not take the change; another one may have been attached meanwhile, and then the bitmap is
    /// no longer looked at.</summary>
    private BlockStatus NameAgain(long offset, long length, ref DiskLinkSender? link)
    {
        Lose(link!);
        _unsynced.Leave(offset, length);
        return Name(offset, length, out link);
    }

    /// <summary>The link is lost: when it returns the bitmap records again. Once is enough.</summary>
    internal void Lose(DiskLinkSender link) => HandleLoss(link, link.LossReason);

    /// <summary>Clears bits of parts that the peer durably has; false when the link has been lost meanwhile,
    /// because then they may have been set again.</summary>
    internal bool TryClear(DiskLinkSender link, List<int> bits)
    {
        lock (_lock)
        {
            if (!ReferenceEquals(_link, link))
            {
                return false;
            }

            foreach (var bit in bits)
            {
                _bitmap.Clear(bit);
            }

            return true;
        }
    }

    /// <summary>Makes everything done so far durable, here and then on the peer: it must not durably have what a crash
    /// of this host would take back while the file says equal.</summary>
    internal async Task<bool> FlushBothAsync(DiskLinkSender link)
    {
        var began = _unsynced.BeginFlush();
        var status = await _local.FlushAsync().ConfigureAwait(false);
        return await EndFlushAsync(link.FlushAsync(), began, status).ConfigureAwait(false) && status == BlockStatus.Ok;
    }

    /// <param name="peer">The peer's flush.</param>
    /// <param name="began">What <see cref="UnsyncedMap.BeginFlush"/> said.</param>
    /// <param name="local">How the local flush ended.</param>
    private async Task<bool> EndFlushAsync(ValueTask<bool> peer, int began, BlockStatus local)
    {
        var done = await peer.ConfigureAwait(false);
        if (began != 0 && done)
        {
            _unsynced.EndFlush(began, local == BlockStatus.Ok ? _bitmap : null);
        }
        else if (began != 0)
        {
            _unsynced.CancelFlush(began);
        }

        return done;
    }

    /// <summary>Whoever notices first does it; the others wait for the lock and find it done.</summary>
    private void HandleLoss(DiskLinkSender link, string reason, bool tell = true)
    {
        lock (_lock)
        {
            if (!ReferenceEquals(_link, link))
            {
                return;
            }

            _unsynced.MoveTo(_bitmap);
            if (_bitmap.BeginRecording() != BlockStatus.Ok)
            {
                // The file still says that a pair runs, or has these parts pinned; in memory everything is dirty.
                _bitmap.MarkAll();
            }

            _link = null;
        }

        if (tell)
        {
            PeerLost?.Invoke(reason);
        }
    }
}
