using System.Buffers;
using System.Buffers.Binary;
using Colo.Vmm.Checksums;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>
/// The primary's end of a checkpoint link. One checkpoint at a time: pause, take the device state, swap the dirty log,
/// begin a copy-on-write capture, resume; the pages are sent while the guest runs. The pause does not grow with the
/// number of dirty pages.
/// <code>
///   request -&gt; reply -&gt; [pause: capture] -&gt; vmstate-send, pages, vmstate-size, devices -&gt; received -&gt; loaded
///      \_________ cancellation: abort, answered by the secondary ________/           \__ commit: release
/// </code>
/// The peer's death and its lies are a <see cref="CheckpointReport"/>, never an exception. A silent peer is waited for
/// until the caller cancels or disposes. Sources: design, section 7; message names as in QEMU's migration/colo.
/// </summary>
public sealed class PrimaryCheckpointSender : IDisposable
{
    private readonly ICheckpointMachine _machine;
    private readonly CheckpointLink _link;
    private readonly PrimaryCheckpointOptions _options;
    private readonly IPrimaryCheckpointHooks _hooks;
    private readonly TimeProvider _time;
    private readonly PageLedger _ledger;
    private readonly SenderCrew _crew;
    private readonly ControlInbox _inbox = new();
    private readonly CaptureSource _captureSource = new();
    private readonly LiveSource _liveSource;
    private readonly ArrayBufferWriter<byte> _devices = new(64 * 1024);
    private readonly Action _afterChunk;
    private readonly Lock _busy = new();
    private readonly Lock _pressureGate = new();
    private readonly Thread _reader;
    private bool _pausedForMemory;
    private bool _peerIsReplica;
    private int _peerStagedMax;
    private ulong _lastEpoch;
    private ulong _lastLiveStart;
    private int _hashesExpected;

    /// <param name="machine">The primary's machine.</param>
    /// <param name="link">An open link whose role is Primary; belongs to the sender from now on.</param>
    /// <param name="options">What to do to send less; must be valid.</param>
    /// <param name="hooks">The owner.</param>
    /// <param name="time">For the durations that are reported.</param>
    public PrimaryCheckpointSender(
        ICheckpointMachine machine, CheckpointLink link, PrimaryCheckpointOptions options,
        IPrimaryCheckpointHooks hooks, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(link);
        ArgumentNullException.ThrowIfNull(options);
        var errors = options.Validate();
        if (errors.Count > 0)
        {
            throw new ArgumentException(string.Join("; ", errors), nameof(options));
        }

        _machine = machine;
        _link = link;
        _options = options;
        _hooks = hooks;
        _time = time;
        var hashes = options.SkipEqualPages && (link.Features & LinkFeatures.Hashes) != 0;
        _ledger = new PageLedger(machine.Ram.PageCount, hashes);
        _liveSource = new LiveSource(machine.Ram, _ledger);
        _crew = new SenderCrew(link, _ledger, options);
        _afterChunk = RelieveMemory;
        _reader = new Thread(ReadControl) { IsBackground = true, Name = "checkpoint-answers" };
        _reader.Start();
    }

    /// <summary>Pages that would have to be sent if nothing more were written.</summary>
    public int PendingPages => _ledger.Pending.Count;

    /// <summary>Pages sent ahead for the next checkpoint.</summary>
    public int StagedPages => _ledger.Staged.Count;

    /// <summary>Most pages that the secondary stages; known after <see cref="WaitUntilReady"/>.</summary>
    public int PeerStagedMax => _peerStagedMax;

    /// <summary>Whether the secondary has a committed state of this guest.</summary>
    public bool PeerIsReplica => _peerIsReplica;

    public LinkFailure LinkFailure => _link.Failure;

    /// <summary>Bytes sent over all channels since the link was opened; while a copy or a checkpoint runs this is how
    /// one sees that it moves. Any thread.</summary>
    public long BytesWritten => _link.BytesWritten;

    /// <summary>Pages and bytes of device state of a capture, counted on each call; for the hook that is told of
    /// it.</summary>
    public (int Pages, int DeviceBytes) LastCapture => (_ledger.Captured.Count, _devices.WrittenCount);

    internal PageLedger Ledger => _ledger;

    internal ICheckpointMachine Machine => _machine;

    internal TimeProvider Time => _time;

    internal IPrimaryCheckpointHooks Hooks => _hooks;

    /// <summary>
    /// Waits for checkpoint-ready. False when the link was lost first or the caller cancelled. When the secondary says
    /// that it stands at the same state, only what is written from now on will be sent.
    /// </summary>
    public bool WaitUntilReady(CancellationToken cancellation)
    {
        lock (_busy)
        {
            if (!WaitFor(FrameType.CheckpointReady, 0, cancellation, out var message))
            {
                return false;
            }

            _peerStagedMax = message.Value;
            _peerIsReplica = message.Flag;
            if (message.Flag)
            {
                _ledger.StartEqual();
            }

            return true;
        }
    }

    /// <summary>
    /// Takes one checkpoint and returns when the secondary has loaded it, or when it has failed. Blocks; one caller.
    /// </summary>
    /// <param name="stamp">Its term and epoch; the epoch is higher than that of any attempt before.</param>
    /// <param name="cancellation">
    /// Gives the checkpoint up while that is possible. After everything has been sent, the secondary may have
    /// committed: then a cancellation closes the link and the report says Unresolved.
    /// </param>
    public CheckpointReport Run(CheckpointStamp stamp, CancellationToken cancellation)
    {
        lock (_busy)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(stamp.Epoch, _lastEpoch);
            _lastEpoch = stamp.Epoch;
            _link.RaiseTerm(stamp.Term);
            var run = new CheckpointRun(stamp, _time, _link.BytesWritten);
            _crew.ResetCounts();
            if (!_link.Control.TryWrite(FrameType.CheckpointRequest, stamp, []))
            {
                return GiveUp(run);
            }

            if (!WaitFor(FrameType.CheckpointReply, stamp.Epoch, cancellation, out var message))
            {
                return message.Type == FrameType.CheckpointAbort ? Aborted(run, message) : AbortOrLost(run, cancellation);
            }

            run.EndRequest();
            Capture(run);
            return SendAndCommit(run, cancellation);
        }
    }

    public void Dispose()
    {
        _link.Fail(LinkFailure.Closed);
        _inbox.Close();
        _reader.Join();
        lock (_busy)
        {
            ReleaseCapture();
            _crew.Dispose();
        }
    }

    /// <summary>Adds what the guest has written since the last time to the pending pages; returns the set until it
    /// is given back.</summary>
    internal DirtyPages CollectDirty()
    {
        var written = _machine.CollectDirty();
        _ledger.Pending.UnionWith(written);
        return written;
    }

    /// <summary>Sends pages ahead of the checkpoint <paramref name="stamp"/>, as they are now.</summary>
    internal SendEnd SendAhead(CheckpointStamp stamp, DirtyPages set, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(stamp.Epoch, _lastEpoch);
        var end = _crew.Send(isCheckpoint: false, stamp, set, _liveSource, null, cancellation);
        if (end == SendEnd.Failed)
        {
            _link.Fail(LinkFailure.TransportError);
        }

        return end;
    }

    /// <summary>Makes the secondary forget what it has, and everything pending. False when the link is lost.</summary>
    internal bool StartOver(CheckpointStamp stamp, CancellationToken cancellation)
    {
        // The secondary tells frames of an earlier, unfinished copy by their lower epoch and drops them.
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(stamp.Epoch, Math.Max(_lastEpoch, _lastLiveStart));
        _lastLiveStart = stamp.Epoch;
        _link.RaiseTerm(stamp.Term);
        _machine.Ram.ReturnDirty(_machine.CollectDirty());
        _ledger.StartOver();
        _crew.Forget();
        _crew.ResetCounts();
        _peerIsReplica = false;
        ReadOnlySpan<byte> wantsHashes = [_ledger.KeepsHashes ? (byte)1 : (byte)0];
        Volatile.Write(ref _hashesExpected, _ledger.KeepsHashes ? _machine.Ram.PageCount : 0);
        if (!_link.Control.TryWrite(FrameType.LiveStart, stamp, wantsHashes)
            || !WaitFor(FrameType.LiveStartReply, stamp.Epoch, cancellation, out var reply))
        {
            return false;
        }

        if (!reply.Flag)
        {
            Volatile.Write(ref _hashesExpected, 0);
        }

        return !reply.Flag || WaitFor(FrameType.PageHashes, stamp.Epoch, cancellation, out _);
    }

    internal PageCounts CountsSinceReset => _crew.Counts;

    internal Lock Busy => _busy;

    private void Capture(CheckpointRun run)
    {
        WarmDevices();
        _machine.Ram.WarmForCapture();
        var nothingPending = _ledger.Pending.IsEmpty;
        run.BeginPause();
        _machine.Pause();
        DirtyPages spare;
        try
        {
            _machine.SaveDevices(_devices);
            var ram = _machine.Ram;
            spare = _ledger.Capture(ram.SwapDirty(), nothingPending);
            _captureSource.Capture = ram.BeginCapture(_ledger.Captured);
            if (_options.SavedPagesMax is { } limit)
            {
                _captureSource.Capture.SavedPageLimit = limit;
            }

            _hooks.Captured(run.Stamp);
        }
        finally
        {
            _machine.Resume();
        }

        run.EndPause();
        _machine.Ram.ReturnDirty(spare);
    }

    private CheckpointReport SendAndCommit(CheckpointRun run, CancellationToken cancellation)
    {
        var (total, ahead) = _ledger.CountStagedAndCaptured();
        run.Note(total - ahead, ahead, _devices.WrittenCount);
        if (_peerIsReplica && total > _peerStagedMax)
        {
            EndCapture(run);
            return Abort(run, AbortReason.TooManyPages);
        }

        var end = SendPages(run, cancellation);
        run.Count(_crew.Counts);
        EndCapture(run);
        if (end != SendEnd.Done)
        {
            return end == SendEnd.Cancelled ? Abort(run, AbortReason.Cancelled) : GiveUp(run);
        }

        if (!SendDevices(run))
        {
            // A write that failed may have delivered its bytes all the same, and the last of them lets the peer commit.
            return Unresolved(run);
        }

        run.EndSend(_link.BytesWritten);
        if (!WaitFor(FrameType.VmStateReceived, run.Stamp.Epoch, cancellation, out var message))
        {
            return message.Type == FrameType.CheckpointAbort ? Aborted(run, message) : Unresolved(run);
        }

        run.EndAcknowledge();
        _ledger.Commit();
        _peerIsReplica = true;
        _hooks.Committed(run.Stamp);
        if (!WaitFor(FrameType.VmStateLoaded, run.Stamp.Epoch, cancellation, out _))
        {
            _link.Fail(LinkFailure.Closed);
            return run.Report(CheckpointStatus.CommittedThenLost, AbortReason.None, _link.Failure);
        }

        run.EndLoad();
        return run.Report(CheckpointStatus.Loaded, AbortReason.None, LinkFailure.None);
    }

    /// <summary>Brings the memory that the device state will be written to into the processor's cache, see
    /// <see cref="GuestRam.WarmForCapture"/>.</summary>
    private void WarmDevices()
    {
        var length = _devices.WrittenCount;
        _devices.ResetWrittenCount();
        _devices.GetSpan(length)[..length].Clear();
    }

    private SendEnd SendPages(CheckpointRun run, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return SendEnd.Cancelled;
        }

        return _crew.Send(
            isCheckpoint: true, run.Stamp, _ledger.Captured, _captureSource,
            _options.SavedPagesMax is null ? null : _afterChunk, cancellation);
    }

    private bool SendDevices(CheckpointRun run)
    {
        var (staged, digest) = _ledger.SumUpStaged();
        var devices = _devices.WrittenSpan;
        Span<byte> payload = stackalloc byte[VmStateSize.Size];
        var sent = (ulong)_crew.Counts.Sent;
        new VmStateSize(sent, staged, digest, devices.Length, Crc32C.Compute(devices)).Write(payload);
        Span<byte> age = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(age, (ulong)run.SinceCapture.Ticks * TimeSpan.NanosecondsPerTick);
        var piece = NextPiece(ref devices);
        // Said only now: a word of its own at the capture would cost a small checkpoint a twentieth of its time.
        var isSent = _link.Control.TryWriteTogether(
            run.Stamp, FrameType.VmStateSend, age, FrameType.VmStateSize, payload, FrameType.VmStateData, piece);
        while (isSent && !devices.IsEmpty)
        {
            isSent = _link.Control.TryWrite(FrameType.VmStateData, run.Stamp, NextPiece(ref devices));
        }

        return isSent;
    }

    private static ReadOnlySpan<byte> NextPiece(ref ReadOnlySpan<byte> devices)
    {
        var piece = devices[..Math.Min(devices.Length, FrameLimits.DevicePieceMax)];
        devices = devices[piece.Length..];
        return piece;
    }

    private void EndCapture(CheckpointRun run)
    {
        if (_captureSource.Capture is { } capture)
        {
            run.NoteCopied(capture.SavedEverCount);
        }

        ReleaseCapture();
    }

    /// <summary>Also at the end of a sender that something unforeseen has thrown out of a checkpoint: the next one
    /// takes a capture of the same RAM, and the guest must not stand for this one's sake.</summary>
    private void ReleaseCapture()
    {
        _captureSource.Capture?.Dispose();
        _captureSource.Capture = null;
        lock (_pressureGate)
        {
            if (_pausedForMemory)
            {
                _pausedForMemory = false;
                _machine.Resume();
            }
        }
    }

    /// <summary>Stops the guest when it makes us copy more pages than allowed; it goes on when all are sent.</summary>
    private void RelieveMemory()
    {
        lock (_pressureGate)
        {
            if (!_pausedForMemory && _captureSource.Capture is { LimitReached: true })
            {
                _pausedForMemory = true;
                _machine.Pause();
            }
        }
    }

    private CheckpointReport AbortOrLost(CheckpointRun run, CancellationToken cancellation) =>
        cancellation.IsCancellationRequested && _link.Failure == LinkFailure.None
            ? Abort(run, AbortReason.Cancelled)
            : GiveUp(run);

    /// <summary>Tells the secondary and waits until it has thrown everything away; then the link is as good as
    /// before.</summary>
    private CheckpointReport Abort(CheckpointRun run, AbortReason reason)
    {
        ReadOnlySpan<byte> payload = [(byte)reason];
        _link.Control.TryWrite(FrameType.CheckpointAbort, run.Stamp, payload);
        while (_inbox.TryTake(CancellationToken.None, out var message))
        {
            if (message.Type == FrameType.CheckpointAbort && message.Stamp.Epoch == run.Stamp.Epoch)
            {
                ForgetPeer();
                return run.Report(CheckpointStatus.Aborted, reason, LinkFailure.None);
            }
        }

        return GiveUp(run);
    }

    /// <summary>The secondary has given it up.</summary>
    private CheckpointReport Aborted(CheckpointRun run, in ControlMessage message)
    {
        ForgetPeer();
        return run.Report(CheckpointStatus.Aborted, (AbortReason)message.Value, LinkFailure.None);
    }

    private CheckpointReport GiveUp(CheckpointRun run)
    {
        _link.Fail(LinkFailure.Closed);
        ForgetPeer();
        return run.Report(CheckpointStatus.LinkLost, AbortReason.None, _link.Failure);
    }

    private CheckpointReport Unresolved(CheckpointRun run)
    {
        _link.Fail(LinkFailure.Closed);
        ForgetPeer();
        return run.Report(CheckpointStatus.Unresolved, AbortReason.None, _link.Failure);
    }

    private void ForgetPeer()
    {
        _ledger.GiveUp();
        _crew.Forget();
    }

    /// <summary>
    /// Waits for a message of this epoch. An abort of the same epoch ends the wait with the message in hand; answers to
    /// earlier epochs are late and ignored; anything else breaks the protocol and the link.
    /// </summary>
    private bool WaitFor(FrameType type, ulong epoch, CancellationToken cancellation, out ControlMessage message)
    {
        while (_inbox.TryTake(cancellation, out message))
        {
            if (message.Stamp.Epoch < epoch)
            {
                continue;
            }

            if (message.Type == type && message.Stamp.Epoch == epoch)
            {
                return true;
            }

            if (message.Type == FrameType.CheckpointAbort && message.Stamp.Epoch == epoch)
            {
                return false;
            }

            _link.Fail(LinkFailure.UnexpectedFrame);
        }

        message = default;
        return false;
    }

    private void ReadControl()
    {
        var failure = LinkFailure.None;
        while (failure == LinkFailure.None)
        {
            failure = _link.Control.Read(out var header, out var payload);
            if (failure == LinkFailure.None)
            {
                failure = _link.AcceptTerm(header.Stamp.Term) ? Sort(header, payload) : LinkFailure.StaleTerm;
            }
        }

        _link.Fail(failure);
        _inbox.Close();
    }

    private LinkFailure Sort(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var value = 0;
        var flag = false;
        switch (header.Type)
        {
            case FrameType.CheckpointReady:
                value = BinaryPrimitives.ReadInt32LittleEndian(payload);
                flag = payload[4] == 1;
                break;
            case FrameType.CheckpointWanted:
                _hooks.CheckpointWanted((CheckpointWantedReason)payload[0]);
                return LinkFailure.None;
            case FrameType.CheckpointAbort:
                value = payload[0];
                break;
            case FrameType.LiveStartReply:
                flag = payload[0] == 1;
                break;
            case FrameType.PageHashes:
                if (!TryLearnHashes(payload))
                {
                    return LinkFailure.BadPayload;
                }

                if (_hashesExpected > 0)
                {
                    return LinkFailure.None;
                }

                break;
            case FrameType.CheckpointReply or FrameType.VmStateReceived or FrameType.VmStateLoaded:
                break;
            default:
                return LinkFailure.UnexpectedFrame;
        }

        return _inbox.TryPost(new ControlMessage(header.Type, header.Stamp, value, flag))
            ? LinkFailure.None
            : LinkFailure.UnexpectedFrame;
    }

    /// <summary>Hashes come in page order, each page once, only after we asked; the run thread waits
    /// meanwhile.</summary>
    private bool TryLearnHashes(ReadOnlySpan<byte> payload)
    {
        var first = BinaryPrimitives.ReadInt32LittleEndian(payload);
        var count = BinaryPrimitives.ReadInt32LittleEndian(payload[4..]);
        payload = payload[8..];
        if (count < 1 || count > _hashesExpected || first != _machine.Ram.PageCount - _hashesExpected
            || payload.Length != count * PageHash.Size)
        {
            return false;
        }

        for (var i = 0; i < count; i++)
        {
            _ledger.LearnHash(first + i, PageHash.Read(payload[(i * PageHash.Size)..]));
        }

        _hashesExpected -= count;
        return true;
    }
}
