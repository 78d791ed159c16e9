using System.Buffers.Binary;
using Colo.Vmm.Block;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>What the secondary's memory is, seen from the checkpoint.</summary>
public enum ReplicaState
{
    /// <summary>RAM is being filled for the first time; this host can't take over.</summary>
    Empty,

    /// <summary>The running guest started from a committed state: this host can take over.</summary>
    Replica,

    /// <summary>A committed state could not be loaded: this host can't take over.</summary>
    Broken,
}

/// <summary>
/// The secondary's end of a checkpoint link: stages pages and device state off to the side while its guest runs,
/// verifies, commits, and brings the guest to the committed state in one flip.
/// <code>
///   Idle -- request / pause --&gt; Requested -- vmstate-send --&gt; Sending -- vmstate-size --&gt; Sized
///     ^                             |                           |                        |  all here, verified
///     +-------- abort: discard, resume -------------------------+------------------------+  TryCommit
///     +-------- vmstate-loaded, resume &lt;-- Apply (rolls forward only) &lt;-- vmstate-received
/// </code>
/// Promises S5: until TryCommit has said yes, nothing that arrives changes the guest; after it, the guest's truth
/// is the new state, whatever happens to the link. A silent peer is not noticed here; the owner closes the link.
/// Threads: one for control, one for each page channel. Sources: design, section 7; reliability, C.2.
/// </summary>
public sealed class SecondaryCheckpointReceiver : IDisposable
{
    private static readonly TimeSpan s_ageMax = TimeSpan.FromDays(1);

    private readonly ICheckpointMachine _machine;
    private readonly CheckpointLink _link;
    private readonly SecondaryCheckpointOptions _options;
    private readonly ISecondaryCheckpointHooks _hooks;
    private readonly TimeProvider _time;
    private readonly CheckpointIntake _intake;
    private readonly DeviceState _devices = new();
    private readonly Func<bool> _isLost;
    private readonly Thread[] _threads;
    private readonly int _wantPages;
    private readonly int _stagedMax;
    private Phase _phase;
    private CheckpointStamp _stamp;
    private CheckpointStamp _committed;
    private VmStateSize _size;
    private TimeSpan _ageOnArrival;
    private long _arrivedAt;
    private int _wanted;
    private volatile ReplicaState _replica;
    private TimeSpan _lastApplyTime;
    private int _lastApplyPages;

    /// <param name="machine">The secondary's machine, paused or running.</param>
    /// <param name="link">An open link whose role is Secondary; belongs to the receiver from now on.</param>
    /// <param name="options">Bounds; must be valid for the machine's RAM.</param>
    /// <param name="hooks">The owner.</param>
    /// <param name="time">For the durations that are reported.</param>
    public SecondaryCheckpointReceiver(
        ICheckpointMachine machine, CheckpointLink link, SecondaryCheckpointOptions options,
        ISecondaryCheckpointHooks hooks, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(link);
        ArgumentNullException.ThrowIfNull(options);
        var errors = options.Validate(machine.Ram.PageCount);
        if (errors.Count > 0)
        {
            throw new ArgumentException(string.Join("; ", errors), nameof(options));
        }

        _machine = machine;
        _link = link;
        _options = options;
        _hooks = hooks;
        _time = time;
        _stagedMax = options.StagedPagesMax ?? machine.Ram.PageCount;
        _wantPages = options.WantCheckpointPages ?? Math.Max(1, Math.Min(_stagedMax, machine.Ram.PageCount / 4));
        var room = new StagingRoom(
            machine.Ram.SavedPages, _stagedMax, options.MemoryPagesMax ?? Math.Max(1, machine.Ram.PageCount / 4),
            OpenSpill(options.SpillPath));
        _intake = new CheckpointIntake(machine.Ram, link.PageChannelCount, link.Features, room);
        _isLost = () => _link.Failure != LinkFailure.None;
        _threads = new Thread[1 + link.PageChannelCount];
    }

    private enum Phase
    {
        Idle,
        Requested,
        Sending,
        Sized,
    }

    /// <summary>Whether this host could take over now.</summary>
    public ReplicaState Replica => _replica;

    /// <summary>The checkpoint that the guest's present history began with; epoch 0 before the first.</summary>
    public CheckpointStamp Committed => _committed;

    /// <summary>Pages staged for the next checkpoint.</summary>
    public int StagedPages => _intake.StagedCount;

    /// <summary>Pages that the guest has written since the last checkpoint, kept in their older version.</summary>
    public int ChangedPages => _intake.Image.SavedPageCount;

    /// <summary>Bytes held beside guest RAM for page content: staged pages, older versions of changed ones, spare
    /// buffers.</summary>
    public long ExtraMemoryBytes => (long)_machine.Ram.SavedPages.AliveCount * FrameLimits.PageSize;

    /// <summary>The most that <see cref="ExtraMemoryBytes"/> has been.</summary>
    public long ExtraMemoryBytesPeak => (long)_machine.Ram.SavedPages.PeakAliveCount * FrameLimits.PageSize;

    /// <summary>Bytes that keep account of those pages: tables of a few words for each page of RAM, and what the
    /// runtime puts before each buffer when there are most of them.</summary>
    public long AccountBytesPeak =>
        _intake.TableBytes + (long)_machine.Ram.SavedPages.PeakAliveCount * SavedPagePool.HeaderBytes;

    /// <summary>Staged pages that are in the spill file.</summary>
    public int SpilledPages => _intake.Room.PagesInFile;

    /// <summary>Why there is no spill file though one was asked for; staged pages stay in memory then. Null: there
    /// is.</summary>
    public string? SpillProblem { get; private set; }

    /// <summary>How long the last flip took, and how many pages it wrote.</summary>
    public TimeSpan LastApplyTime => _lastApplyTime;

    /// <inheritdoc cref="LastApplyTime"/>
    public int LastApplyPages => _lastApplyPages;

    /// <summary>Late chunks of aborted checkpoints that were thrown away.</summary>
    public long DroppedChunks => _intake.DroppedChunks;

    /// <summary>
    /// Says checkpoint-ready and starts to listen.
    /// </summary>
    /// <param name="isReplica">
    /// True when both machines stand at the same state now, for example freshly started with the same options and not
    /// run yet. False when all memory has to be copied first.
    /// </param>
    public void Start(bool isReplica)
    {
        _replica = isReplica ? ReplicaState.Replica : ReplicaState.Empty;
        if (isReplica)
        {
            _intake.Image.Begin();
        }

        Span<byte> ready = stackalloc byte[8];
        ready.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(ready, _stagedMax);
        ready[4] = (byte)(isReplica ? 1 : 0);
        _link.Control.TryWrite(FrameType.CheckpointReady, new CheckpointStamp(_link.Term, 0), ready);
        for (var i = 0; i < _link.PageChannelCount; i++)
        {
            var channel = i;
            _threads[1 + i] = new Thread(() => ReadPages(channel)) { IsBackground = true, Name = $"checkpoint-pages-{i}" };
            _threads[1 + i].Start();
        }

        _threads[0] = new Thread(ReadControl) { IsBackground = true, Name = "checkpoint-control" };
        _threads[0].Start();
    }

    /// <summary>
    /// Asks for a checkpoint when staged and changed pages have reached their bound; once for each checkpoint. Moves
    /// staged pages to the spill file when the guest's older versions need the memory. Called
    /// by the owner's timer, because the guest changes pages without our doing anything. Any thread.
    /// </summary>
    public void CheckBounds()
    {
        _intake.Relieve();
        if (_replica != ReplicaState.Replica || _intake.Room.InUse + _intake.Image.SavedPageCount < _wantPages
            || Interlocked.Exchange(ref _wanted, 1) != 0)
        {
            return;
        }

        ReadOnlySpan<byte> reason = [(byte)CheckpointWantedReason.SecondaryMemory];
        _link.Control.TryWrite(FrameType.CheckpointWanted, new CheckpointStamp(_link.Term, _committed.Epoch), reason);
        _hooks.CheckpointWanted(CheckpointWantedReason.SecondaryMemory);
    }

    /// <summary>
    /// Ends the link and returns when nothing of it runs any more: a checkpoint that was committed has been loaded, any
    /// other has been discarded, and no older page versions are kept. Not to be called from a hook.
    /// </summary>
    public void Dispose()
    {
        _link.Fail(LinkFailure.Closed);
        _intake.Wake();
        foreach (var thread in _threads)
        {
            thread?.Join();
        }

        _intake.Dispose();
    }

    private OsFile? OpenSpill(string? path)
    {
        if (path is null)
        {
            return null;
        }

        try
        {
            var file = new OsFile(path, FileMode.Create);
            if (!OperatingSystem.IsWindows())
            {
                // Open but without a name, it is gone with the process, however that ends.
                File.Delete(path);
            }

            return file;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            SpillProblem = $"spill file {path}: {error.Message}";
            return null;
        }
    }

    private void ReadControl()
    {
        var failure = LinkFailure.None;
        while (failure == LinkFailure.None)
        {
            failure = _link.Control.Read(out var header, out var payload);
            if (failure == LinkFailure.None)
            {
                failure = _link.AcceptTerm(header.Stamp.Term) ? Handle(header, payload) : LinkFailure.StaleTerm;
            }
        }

        _link.Fail(failure);
        if (_phase != Phase.Idle)
        {
            Discard(AbortReason.None, resume: _options.ResumeOnLinkLoss && _replica == ReplicaState.Replica);
        }

        _hooks.LinkLost(_link.Failure);
    }

    private void ReadPages(int index)
    {
        var channel = _link.PageChannel(index);
        var failure = LinkFailure.None;
        while (failure == LinkFailure.None)
        {
            failure = channel.ReadUnverified(out var header, out var payload);
            if (failure == LinkFailure.None)
            {
                failure = _link.AcceptTerm(header.Stamp.Term)
                    ? _intake.Take(index, header, payload)
                    : LinkFailure.StaleTerm;
                CheckBounds();
            }
        }

        // First the cause on this channel, then all others as closed because of it.
        channel.Fail(failure);
        _link.Fail(LinkFailure.Closed);
        _intake.Wake();
    }

    /// <summary>One control frame; the only place where the phase is decided.</summary>
    private LinkFailure Handle(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Type == FrameType.CheckpointAbort)
        {
            return OnAbort(header.Stamp, (AbortReason)payload[0]);
        }

        if (_phase != Phase.Idle && header.Stamp.Epoch != _stamp.Epoch)
        {
            return LinkFailure.UnexpectedFrame;
        }

        return (_phase, header.Type) switch
        {
            (Phase.Idle, FrameType.CheckpointRequest) => OnRequest(header.Stamp),
            (Phase.Idle, FrameType.LiveStart) => OnLiveStart(header.Stamp, wantsHashes: payload[0] == 1),
            (Phase.Requested, FrameType.VmStateSend) => OnSend(payload),
            (Phase.Sending, FrameType.VmStateSize) => OnSize(payload),
            (Phase.Sized, FrameType.VmStateData) => OnData(payload),
            _ => LinkFailure.UnexpectedFrame,
        };
    }

    private LinkFailure OnSend(ReadOnlySpan<byte> payload)
    {
        var age = BinaryPrimitives.ReadUInt64LittleEndian(payload);
        if (age > (ulong)s_ageMax.Ticks * TimeSpan.NanosecondsPerTick)
        {
            return LinkFailure.BadPayload;
        }

        _ageOnArrival = TimeSpan.FromTicks((long)age / TimeSpan.NanosecondsPerTick);
        _arrivedAt = _time.GetTimestamp();
        _phase = Phase.Sending;
        return LinkFailure.None;
    }

    private LinkFailure OnRequest(CheckpointStamp stamp)
    {
        if (stamp.Epoch <= _intake.LastEpoch || _replica == ReplicaState.Broken)
        {
            return LinkFailure.UnexpectedFrame;
        }

        _stamp = stamp;
        _machine.Pause();
        _intake.Begin(stamp.Epoch);
        _devices.Clear();
        _phase = Phase.Requested;
        _hooks.Paused(stamp);
        _link.Control.TryWrite(FrameType.CheckpointReply, stamp, []);
        return LinkFailure.None;
    }

    private LinkFailure OnLiveStart(CheckpointStamp stamp, bool wantsHashes)
    {
        if (stamp.Epoch <= _intake.LastEpoch)
        {
            return LinkFailure.UnexpectedFrame;
        }

        _machine.Pause();
        _intake.StartOver(stamp.Epoch);
        _replica = ReplicaState.Empty;
        var hashes = wantsHashes && (_link.Features & LinkFeatures.Hashes) != 0;
        ReadOnlySpan<byte> reply = [hashes ? (byte)1 : (byte)0];
        _link.Control.TryWrite(FrameType.LiveStartReply, stamp, reply);
        if (hashes)
        {
            SendHashes(stamp);
        }

        return LinkFailure.None;
    }

    private void SendHashes(CheckpointStamp stamp)
    {
        var frame = new byte[FrameLimits.ControlPayloadMax];
        for (var page = 0; page < _machine.Ram.PageCount;)
        {
            var count = Math.Min(FrameLimits.HashesPerFrameMax, _machine.Ram.PageCount - page);
            var payload = frame.AsSpan(0, 8 + count * PageHash.Size);
            BinaryPrimitives.WriteInt32LittleEndian(payload, page);
            BinaryPrimitives.WriteInt32LittleEndian(payload[4..], count);
            _intake.HashPages(page, payload[8..]);
            if (!_link.Control.TryWrite(FrameType.PageHashes, stamp, payload))
            {
                return;
            }

            page += count;
        }
    }

    private LinkFailure OnSize(ReadOnlySpan<byte> payload)
    {
        if (!VmStateSize.TryRead(payload, out _size) || _size.DeviceBytes > _options.DeviceStateMax)
        {
            return LinkFailure.BadPayload;
        }

        _phase = Phase.Sized;
        return _size.DeviceBytes == 0 ? Finish() : LinkFailure.None;
    }

    private LinkFailure OnData(ReadOnlySpan<byte> payload)
    {
        if (_devices.Length + payload.Length > _size.DeviceBytes)
        {
            return LinkFailure.BadLength;
        }

        _devices.Append(payload);
        return _devices.Length == _size.DeviceBytes ? Finish() : LinkFailure.None;
    }

    private LinkFailure OnAbort(CheckpointStamp stamp, AbortReason reason)
    {
        if (_phase != Phase.Idle && stamp.Epoch != _stamp.Epoch)
        {
            return LinkFailure.UnexpectedFrame;
        }

        if (_phase != Phase.Idle)
        {
            Discard(reason, resume: _replica == ReplicaState.Replica);
        }

        // The answer tells the primary that nothing of this epoch is left here, and that it may send ahead again.
        ReadOnlySpan<byte> answer = [(byte)reason];
        _link.Control.TryWrite(FrameType.CheckpointAbort, stamp, answer);
        return LinkFailure.None;
    }

    /// <summary>Everything that was announced on this channel is here: wait for the pages, verify, commit,
    /// flip.</summary>
    private LinkFailure Finish()
    {
        if (!_intake.WaitForEnd(_isLost))
        {
            return _link.Failure;
        }

        var reason = _intake.Verify(_size);
        if (reason == AbortReason.None
            && (_devices.Crc != _size.DeviceCrc || _machine.CheckDevices(_devices.Bytes) is not null))
        {
            reason = AbortReason.VerificationFailed;
        }

        if (reason == AbortReason.None && !_hooks.TryCommit(_stamp))
        {
            reason = AbortReason.CommitRefused;
        }

        if (reason != AbortReason.None)
        {
            Discard(reason, resume: _replica == ReplicaState.Replica);
            ReadOnlySpan<byte> answer = [(byte)reason];
            _link.Control.TryWrite(FrameType.CheckpointAbort, _stamp, answer);
            return LinkFailure.None;
        }

        _intake.Seal();
        _committed = _stamp;
        // If this does not reach the primary, the owner's takeover finds us committed all the same.
        _link.Control.TryWrite(FrameType.VmStateReceived, _stamp, []);
        return Load();
    }

    private LinkFailure Load()
    {
        var begin = _time.GetTimestamp();
        _lastApplyPages = _intake.Apply(_machine, _devices.Bytes, out var error);
        _lastApplyTime = _time.GetElapsedTime(begin);
        _phase = Phase.Idle;
        if (error is not null)
        {
            _replica = ReplicaState.Broken;
            _hooks.LoadFailed(_stamp, error);
            return LinkFailure.BadPayload;
        }

        if (_options.ReleaseStagingMemory)
        {
            _machine.Ram.SavedPages.Trim();
        }

        _replica = ReplicaState.Replica;
        Volatile.Write(ref _wanted, 0);
        _machine.AdvanceClock(_ageOnArrival + _time.GetElapsedTime(_arrivedAt));
        _hooks.Loaded(_stamp);
        _machine.Resume();
        _link.Control.TryWrite(FrameType.VmStateLoaded, _stamp, []);
        return LinkFailure.None;
    }

    private void Discard(AbortReason reason, bool resume)
    {
        _intake.Abort(_stamp.Epoch);
        _phase = Phase.Idle;
        Volatile.Write(ref _wanted, 0);
        _hooks.Aborted(_stamp, reason);
        if (resume)
        {
            _machine.Resume();
        }
    }
}
