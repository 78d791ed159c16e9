using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Checkpoint.Primary;

/// <summary>
/// The primary's side of checkpoints (design section 7). One is in flight at a time; triggers are a latch, not a count
/// (L3).
/// <code>
/// Idle -> AwaitingReady -> Running -> Requested -> Capturing -> Sending -> AwaitingLoaded -> Running
///                             ^ rejected: abort the image and retry        |-> Handover (switchover)
/// </code>
/// Promises: what a checkpoint covers is released only after vmstate-received (S1); the epoch rises with each capture,
/// also across sessions (S5); every phase has a time limit, after which the failover controller is told that the peer
/// is stalled (L3). When the peer is silent it waits for the limit or for <see cref="EndPrimarySession"/>; it never
/// decides by itself that the peer is lost.
/// </summary>
public sealed class PrimaryCheckpointCore : IProtocolCore
{
    private readonly HostIdentity _self;
    private readonly CheckpointOptions _options;
    private readonly TransitionTable<PrimaryCheckpointState> _table;
    private readonly PeerFence _fence = new();
    private readonly TriggerLatch _latch = new();
    private readonly ModeSwitch _mode;

    private PrimaryCheckpointState _state = PrimaryCheckpointState.Idle;
    private HostIdentity _peer;
    private Term _term;
    private long _attempt;
    private bool _paired;
    private CheckpointReason _reason;
    private bool _stayPaused;
    private bool _switchoverCancelled;
    private int _rejections;
    private long _generation;
    private Instant _notBefore = Instant.Zero;
    private Instant _lastBegin = Instant.Zero;

    public PrimaryCheckpointCore(HostIdentity self, CheckpointOptions options)
    {
        _self = self;
        _options = options;
        _mode = new ModeSwitch(options);
        _table = BuildTable();
    }

    public PrimaryCheckpointState State => _state;

    public string StateName => _state.ToString();

    /// <summary>Number of the last checkpoint that was begun.</summary>
    public Epoch Epoch { get; private set; } = Epoch.Zero;

    /// <summary>Checkpoints begun, for the metric.</summary>
    public long Begun { get; private set; }

    public long Refused => _fence.Refused;

    public ReplicationMode ModeInForce => _mode.InForce;

    public TransitionTable<PrimaryCheckpointState> Table => _table;

    private bool InFlight => _state is PrimaryCheckpointState.Requested or PrimaryCheckpointState.Capturing
        or PrimaryCheckpointState.Sending or PrimaryCheckpointState.AwaitingLoaded;

    public void Decide(Instant now, Message message, EffectList effects)
    {
        if (message is PeerMessage peer && !_fence.Admit(peer, effects))
        {
            return;
        }

        _table.Dispatch(_state, now, message, effects);
    }

    private TransitionTable<PrimaryCheckpointState> BuildTable() =>
        new TransitionTable<PrimaryCheckpointState>(typeof(IPrimaryCheckpointInput))
            .On<StartPrimarySession>(OnStart, Enum.GetValues<PrimaryCheckpointState>())
            .On<EndPrimarySession>(OnEnd, Enum.GetValues<PrimaryCheckpointState>())
            .On<SetReplicationMode>(OnSetMode, Enum.GetValues<PrimaryCheckpointState>())
            .On<PrimaryPaired>(OnPaired, PrimaryCheckpointState.Running)
            .On<CheckpointReady>(OnReady, PrimaryCheckpointState.AwaitingReady)
            .On<CheckpointTrigger>(OnTrigger, PrimaryCheckpointState.Running, PrimaryCheckpointState.Requested,
                PrimaryCheckpointState.Capturing, PrimaryCheckpointState.Sending, PrimaryCheckpointState.AwaitingLoaded)
            .On<CheckpointWanted>((now, wanted, effects) => OnTrigger(now, new CheckpointTrigger(wanted.Reason), effects),
                PrimaryCheckpointState.Running, PrimaryCheckpointState.Requested, PrimaryCheckpointState.Capturing,
                PrimaryCheckpointState.Sending, PrimaryCheckpointState.AwaitingLoaded)
            .On<CheckpointReply>(OnReply, PrimaryCheckpointState.Requested)
            .On<StateCaptured>(OnCaptured, PrimaryCheckpointState.Capturing)
            .On<StateCaptured>(OnCapturedTooLate, PrimaryCheckpointState.Idle, PrimaryCheckpointState.AwaitingReady,
                PrimaryCheckpointState.Running, PrimaryCheckpointState.Requested)
            .On<ImageSent>(OnSent, PrimaryCheckpointState.Sending)
            .On<CaptureFailed>(OnCaptureFailed, PrimaryCheckpointState.Capturing, PrimaryCheckpointState.Sending)
            .On<VmStateReceived>(OnReceived, PrimaryCheckpointState.Sending)
            .On<VmStateLoaded>(OnLoaded, PrimaryCheckpointState.AwaitingLoaded)
            .On<CheckpointRejected>(OnRejected, PrimaryCheckpointState.Requested, PrimaryCheckpointState.Capturing,
                PrimaryCheckpointState.Sending)
            .On<SwitchoverCancelled>(OnSwitchoverCancelled, Enum.GetValues<PrimaryCheckpointState>())
            .On<TimerFired>(OnTimer, PrimaryCheckpointState.Running, PrimaryCheckpointState.Requested,
                PrimaryCheckpointState.Capturing, PrimaryCheckpointState.Sending, PrimaryCheckpointState.AwaitingLoaded)
            .IgnoreElsewhere<PrimaryPaired>("the session it was meant for has ended, or a checkpoint of it is in flight")
            .IgnoreElsewhere<CheckpointReady>("a session is made ready once")
            .IgnoreElsewhere<CheckpointTrigger>("no session: there is nobody to checkpoint to; a handover is already a checkpoint")
            .IgnoreElsewhere<CheckpointWanted>("no session, or the handover has just done it")
            .IgnoreElsewhere<CheckpointReply>("late answer to a request that was given up")
            .IgnoreElsewhere<StateCaptured>("duplicate: this image is captured already")
            .IgnoreElsewhere<ImageSent>("the image was given up, or is committed already")
            .IgnoreElsewhere<CaptureFailed>("the image was given up, or is committed already")
            .IgnoreElsewhere<VmStateReceived>("duplicate, or of an image that was given up")
            .IgnoreElsewhere<VmStateLoaded>("duplicate, or of an image that was given up")
            .IgnoreElsewhere<CheckpointRejected>("late: the image was given up, or committed before the complaint")
            .IgnoreElsewhere<TimerFired>("no timer of this core runs in this state; it was on its way when the state changed");

    private void OnStart(Instant now, StartPrimarySession start, EffectList effects)
    {
        _fence.Begin(start.Peer, start.Term);
        (_peer, _term, _attempt, _paired) = (start.Peer, start.Term, start.Attempt, start.InSync);
        Epoch = Epoch.Max(Epoch, start.Epoch);
        _latch.Clear();
        _rejections = 0;
        _stayPaused = false;
        if (start.InSync)
        {
            effects.Add(new Effect.ResumeGuest());
            EnterRunning(now, effects);
        }
        else
        {
            _state = PrimaryCheckpointState.AwaitingReady;
        }
    }

    private void OnEnd(Instant now, EndPrimarySession end, EffectList effects)
    {
        if (_state is PrimaryCheckpointState.Sending)
        {
            Abort(end.Reason, effects);
        }

        if (end.Resume && _stayPaused)
        {
            effects.Add(new Effect.ResumeGuest());
        }

        _stayPaused = false;
        StopTimers(effects);
        _fence.End();
        _state = PrimaryCheckpointState.Idle;
    }

    private void OnReady(Instant now, CheckpointReady ready, EffectList effects)
    {
        if (ready.Attempt != _attempt)
        {
            return; // an earlier attempt with the same peer
        }

        _state = PrimaryCheckpointState.Running;
        effects.Add(new Effect.Tell(CoreName.Failover, new JoinerReady(_peer)));
    }

    private void OnPaired(Instant now, PrimaryPaired paired, EffectList effects)
    {
        Invariant.Require(paired.Term > _term, "S4", "the pair is a new term", paired.Term, _term);
        _term = paired.Term;
        _fence.Raise(_term);
        _paired = true;
        EnterRunning(now, effects);
    }

    private void OnTrigger(Instant now, CheckpointTrigger trigger, EffectList effects)
    {
        if (!_paired && trigger.Reason != CheckpointReason.Join)
        {
            // The joining checkpoint covers everything up to its capture. From its commit on there is something to
            // compare, and whoever compares asks once: it waits until the pair is in force.
            bool covered = trigger.About is { } made && made < Epoch;
            if (!covered && _reason == CheckpointReason.Join
                && _state is PrimaryCheckpointState.AwaitingLoaded or PrimaryCheckpointState.Running)
            {
                _latch.Set(trigger.Reason);
            }

            return;
        }

        if (InFlight && trigger.About is { } about && about < Epoch)
        {
            return; // made before the capture of the checkpoint in flight, which therefore covers it
        }

        if (trigger.Reason is CheckpointReason.Mismatch && !_latch.HasOrdinary)
        {
            Emit(EventCode.Mismatch, string.Empty, effects);
        }

        _latch.Set(trigger.Reason);
        if (_state == PrimaryCheckpointState.Running)
        {
            BeginIfDue(now, effects);
        }
    }

    private void OnSetMode(Instant now, SetReplicationMode mode, EffectList effects)
    {
        _mode.Choose(mode.Mode, now);
        ApplyMode(effects);
        if (_state == PrimaryCheckpointState.Running && _paired)
        {
            // What was held under the other mode leaves by this checkpoint, and the comparer starts level.
            _latch.Set(CheckpointReason.ComparerRestarted);
            BeginIfDue(now, effects);
        }
    }

    private void OnReply(Instant now, CheckpointReply reply, EffectList effects)
    {
        if (reply.Epoch != Epoch)
        {
            return;
        }

        // What was asked for until now is covered by this capture; a switchover needs a capture of its own that stays
        // paused.
        _latch.ClearFor(_reason);
        if (_reason == CheckpointReason.Join)
        {
            effects.Add(new Effect.BeginJoinGate());
        }

        _stayPaused = _reason == CheckpointReason.Switchover && !_switchoverCancelled;
        _state = PrimaryCheckpointState.Capturing;
        effects.Add(new Effect.CaptureState(Epoch, ResumeAfter: !_stayPaused));
        ArmPhase(_options.TransferTimeout, effects);
    }

    private void OnCaptured(Instant now, StateCaptured captured, EffectList effects)
    {
        if (captured.Epoch != Epoch)
        {
            effects.Add(new Effect.AbortImage(captured.Epoch));
            return;
        }

        _state = PrimaryCheckpointState.Sending;
        Send(new VmStateSend(_self, _term, Epoch), effects);
        Send(new VmStateSize(_self, _term, Epoch, captured.PageCount, captured.DeviceStateBytes), effects);
        effects.Add(new Effect.SendImage(Epoch, _peer.Host));
        Emit(EventCode.CheckpointCaptured, $"{_reason}: {captured.PageCount} pages, pause {captured.Pause.TotalMilliseconds:0.0} ms", effects);
    }

    private void OnCapturedTooLate(Instant now, StateCaptured captured, EffectList effects) =>
        effects.Add(new Effect.AbortImage(captured.Epoch)); // the session it was taken for is over

    private void OnSent(Instant now, ImageSent sent, EffectList effects)
    {
        if (sent.Epoch == Epoch)
        {
            ArmPhase(_options.TransferTimeout, effects); // verification gets its own share of time
        }
    }

    private void OnCaptureFailed(Instant now, CaptureFailed failed, EffectList effects)
    {
        if (failed.Epoch == Epoch)
        {
            effects.Add(new Effect.Tell(CoreName.Failover, new MachineFailed($"capture of {Epoch}: {failed.Reason}")));
        }
    }

    private void OnReceived(Instant now, VmStateReceived received, EffectList effects)
    {
        if (received.Epoch != Epoch)
        {
            return;
        }

        _state = PrimaryCheckpointState.AwaitingLoaded;
        _rejections = 0;
        effects.Add(new Effect.AcknowledgeAtGate(Epoch));
        ArmPhase(_options.LoadTimeout, effects);
        Emit(EventCode.CheckpointCommitted, $"{_reason}", effects);
    }

    private void OnLoaded(Instant now, VmStateLoaded loaded, EffectList effects)
    {
        if (loaded.Epoch != Epoch)
        {
            return;
        }

        effects.Add(new Effect.StopTimer(TimerName.Phase));
        if (_stayPaused)
        {
            _state = PrimaryCheckpointState.Handover;
            effects.Add(new Effect.Tell(CoreName.Failover, new SwitchoverCheckpointLoaded(Epoch)));
            return;
        }

        if (_reason == CheckpointReason.Join)
        {
            _state = PrimaryCheckpointState.Running;
            effects.Add(new Effect.Tell(CoreName.Failover, new JoinCheckpointLoaded(_peer, Epoch)));
            return;
        }

        if (_reason == CheckpointReason.Switchover)
        {
            // Cancelled before the capture: the secondary was told to stay paused, so it needs the word to go on.
            Send(new CheckpointResume(_self, _term, Epoch), effects);
        }

        if (_mode.CountCheckpoint(_reason, now))
        {
            ApplyMode(effects);
            effects.Add(new Effect.StartTimer(TimerName.AutoReturn, ++_generation, _mode.ReturnAfter));
            _autoGeneration = _generation;
        }

        _notBefore = now + _options.Floor;
        EnterRunning(now, effects);
    }

    private long _autoGeneration;
    private long _periodGeneration;
    private long _floorGeneration;
    private long _phaseGeneration;

    private void OnRejected(Instant now, CheckpointRejected rejected, EffectList effects)
    {
        if (rejected.Epoch != Epoch)
        {
            return;
        }

        Emit(EventCode.CheckpointRejected, rejected.Reason, effects);
        bool captured = _state is PrimaryCheckpointState.Capturing or PrimaryCheckpointState.Sending;
        if (_state == PrimaryCheckpointState.Sending)
        {
            Abort(rejected.Reason, effects);
        }

        _rejections++;
        bool special = _reason is CheckpointReason.Join or CheckpointReason.Switchover;
        if (_rejections >= _options.RejectionsMax || (special && captured))
        {
            Stalled($"refused {_rejections} images: {rejected.Reason}", effects);
            return;
        }

        _latch.Set(special ? _reason : CheckpointReason.Retry);
        _notBefore = now + _options.Floor;
        EnterRunning(now, effects);
    }

    private void OnSwitchoverCancelled(Instant now, SwitchoverCancelled cancelled, EffectList effects)
    {
        _latch.Drop(CheckpointReason.Switchover);
        if (InFlight && _reason == CheckpointReason.Switchover)
        {
            _switchoverCancelled = true;
            if (_stayPaused)
            {
                _stayPaused = false;
                effects.Add(new Effect.ResumeGuest());
            }
        }
        else if (_state == PrimaryCheckpointState.Handover)
        {
            _stayPaused = false;
            effects.Add(new Effect.ResumeGuest());
            Send(new CheckpointResume(_self, _term, Epoch), effects);
            EnterRunning(now, effects);
        }
    }

    private void OnTimer(Instant now, TimerFired timer, EffectList effects)
    {
        switch (timer.Name)
        {
            case TimerName.Period when timer.Generation == _periodGeneration && _paired:
                _latch.Set(CheckpointReason.Period);
                if (_state == PrimaryCheckpointState.Running)
                {
                    BeginIfDue(now, effects);
                }

                break;
            case TimerName.Floor when timer.Generation == _floorGeneration && _state == PrimaryCheckpointState.Running:
                BeginIfDue(now, effects);
                break;
            case TimerName.Phase when timer.Generation == _phaseGeneration && InFlight:
                Stalled(StateName, effects);
                break;
            case TimerName.AutoReturn when timer.Generation == _autoGeneration && _mode.TryComparing(now):
                ApplyMode(effects);
                _latch.Set(CheckpointReason.ComparerRestarted);
                if (_state == PrimaryCheckpointState.Running)
                {
                    BeginIfDue(now, effects);
                }

                break;
            default:
                break; // replaced meanwhile
        }
    }

    private void EnterRunning(Instant now, EffectList effects)
    {
        _state = PrimaryCheckpointState.Running;
        if (!_paired)
        {
            BeginIfDue(now, effects);
            return;
        }

        effects.Add(new Effect.SetComparing(_mode.InForce == ReplicationMode.Colo));
        TimeSpan left = _lastBegin + _mode.Period - now;
        _periodGeneration = ++_generation;
        effects.Add(new Effect.StartTimer(TimerName.Period, _generation, left > TimeSpan.Zero ? left : TimeSpan.Zero));
        BeginIfDue(now, effects);
    }

    private void BeginIfDue(Instant now, EffectList effects)
    {
        if (_latch.Peek() is not { } reason || (!_paired && reason != CheckpointReason.Join))
        {
            return;
        }

        if (now < _notBefore)
        {
            _floorGeneration = ++_generation;
            effects.Add(new Effect.StartTimer(TimerName.Floor, _generation, _notBefore - now));
            return;
        }

        Begin(now, reason, effects);
    }

    private void Begin(Instant now, CheckpointReason reason, EffectList effects)
    {
        Invariant.Require(_state == PrimaryCheckpointState.Running, "L3", "one checkpoint in flight", _state, reason);
        Epoch = Epoch.Next;
        Begun++;
        _reason = reason;
        _switchoverCancelled = false;
        _lastBegin = now;
        _state = PrimaryCheckpointState.Requested;
        Send(new CheckpointRequest(_self, _term, Epoch, reason), effects);
        ArmPhase(_options.ReplyTimeout, effects);
        Emit(EventCode.CheckpointRequested, $"{reason}", effects);
    }

    private void Stalled(string phase, EffectList effects)
    {
        Emit(EventCode.CheckpointStalled, phase, effects);
        effects.Add(new Effect.Tell(CoreName.Failover, new CheckpointStalled(_peer, phase)));
    }

    private void Abort(string reason, EffectList effects)
    {
        effects.Add(new Effect.AbortImage(Epoch));
        Emit(EventCode.CheckpointAborted, reason, effects);
    }

    private void ApplyMode(EffectList effects)
    {
        effects.Add(new Effect.SetComparing(_mode.InForce == ReplicationMode.Colo));
        Emit(EventCode.ModeChanged, $"{_mode.Chosen}: {_mode.InForce}", effects);
    }

    private void ArmPhase(TimeSpan limit, EffectList effects)
    {
        _phaseGeneration = ++_generation;
        effects.Add(new Effect.StartTimer(TimerName.Phase, _generation, limit));
    }

    private static void StopTimers(EffectList effects)
    {
        effects.Add(new Effect.StopTimer(TimerName.Phase));
        effects.Add(new Effect.StopTimer(TimerName.Period));
        effects.Add(new Effect.StopTimer(TimerName.Floor));
    }

    private void Send(PeerMessage message, EffectList effects) => effects.Add(new Effect.Send(_peer.Host, message));

    private void Emit(EventCode code, string summary, EffectList effects) =>
        effects.Add(new Effect.Emit(new HostEvent(code, _term, Epoch, summary)));
}
