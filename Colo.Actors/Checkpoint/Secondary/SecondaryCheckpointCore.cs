using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Checkpoint.Secondary;

/// <summary>
/// The secondary's side of checkpoints (design section 7).
/// <code>
/// Idle -> Joining -> Paused -> Receiving -> Loading -> Running -> Pausing -> Paused ...
///                       | broken or primary lost: own state   | committed: only forward, also when the primary is lost
/// </code>
/// Promises S5: an image is applied wholly or not at all. It acknowledges only when all pages and the device state are
/// staged and verified and the disk barrier has passed, and flips only after that. When the primary is silent it keeps
/// its state and waits for
/// <see cref="SettleSecondary"/>; after that it obeys no primary (QEMU bug H9).
/// </summary>
public sealed class SecondaryCheckpointCore : IProtocolCore
{
    private readonly HostIdentity _self;
    private readonly TransitionTable<SecondaryCheckpointState> _table;
    private readonly PeerFence _fence = new();

    private SecondaryCheckpointState _state = SecondaryCheckpointState.Idle;
    private HostIdentity _peer;
    private Term _term;
    private bool _hasGuest;
    private Epoch _inFlight;
    private bool _staged;
    private bool _barrier;
    private bool _stayPaused;
    private bool _settleWhenLoaded;

    public SecondaryCheckpointCore(HostIdentity self)
    {
        _self = self;
        _table = BuildTable();
    }

    public SecondaryCheckpointState State => _state;

    public string StateName => _state.ToString();

    /// <summary>The last image that was committed here; the guest stands at it or beyond it.</summary>
    public Epoch Committed { get; private set; } = Epoch.Zero;

    public long Refused => _fence.Refused;

    public TransitionTable<SecondaryCheckpointState> Table => _table;

    public void Decide(Instant now, Message message, EffectList effects)
    {
        if (message is PeerMessage peer && !_fence.Admit(peer, effects))
        {
            return;
        }

        _table.Dispatch(_state, now, message, effects);
    }

    private TransitionTable<SecondaryCheckpointState> BuildTable() =>
        new TransitionTable<SecondaryCheckpointState>(typeof(ISecondaryCheckpointInput))
            .On<StartSecondarySession>(OnStart, Enum.GetValues<SecondaryCheckpointState>())
            .On<EndSecondarySession>(OnEnd, Enum.GetValues<SecondaryCheckpointState>())
            .On<SettleSecondary>(OnSettle, Enum.GetValues<SecondaryCheckpointState>())
            .On<ContinueAsSecondary>(OnContinue, Enum.GetValues<SecondaryCheckpointState>())
            .On<SecondaryPaired>(OnPaired, SecondaryCheckpointState.Running)
            .On<CheckpointRequest>(OnRequestWithoutGuest, SecondaryCheckpointState.Joining)
            .On<CheckpointRequest>(OnRequest, SecondaryCheckpointState.Running)
            .On<GuestPaused>(OnPaused, SecondaryCheckpointState.Pausing)
            .On<VmStateSend>(OnSend, SecondaryCheckpointState.Paused)
            .On<ImageStaged>(OnStaged, SecondaryCheckpointState.Paused, SecondaryCheckpointState.Receiving)
            .On<DiskBarrierReached>(OnBarrier, SecondaryCheckpointState.Paused, SecondaryCheckpointState.Receiving)
            .On<ImageBroken>(OnBroken, SecondaryCheckpointState.Paused, SecondaryCheckpointState.Receiving)
            .On<ImageLoaded>(OnLoaded, SecondaryCheckpointState.Loading)
            .On<LoadFailed>(OnLoadFailed, SecondaryCheckpointState.Loading)
            .On<CheckpointResume>(OnResume, SecondaryCheckpointState.Handover)
            .IgnoreElsewhere<SecondaryPaired>("the session it was meant for has ended")
            .IgnoreElsewhere<CheckpointRequest>("a checkpoint is in flight, or no primary is obeyed any more")
            .IgnoreElsewhere<GuestPaused>("nobody waits for the pause any more")
            .IgnoreElsewhere<VmStateSend>("of an image that was given up")
            .IgnoreElsewhere<VmStateSize>("the receiver of the image uses it; the core waits for ImageStaged")
            .IgnoreElsewhere<ImageStaged>("of an image that was given up")
            .IgnoreElsewhere<DiskBarrierReached>("of an image that was given up")
            .IgnoreElsewhere<ImageBroken>("of an image that was given up, or is committed already")
            .IgnoreElsewhere<ImageLoaded>("of a replica that was thrown away")
            .IgnoreElsewhere<LoadFailed>("of a replica that was thrown away")
            .IgnoreElsewhere<CheckpointResume>("the guest is not held for a switchover");

    private void OnStart(Instant now, StartSecondarySession start, EffectList effects)
    {
        _fence.Begin(start.Peer, start.Term);
        (_peer, _term) = (start.Peer, start.Term);
        Reset();
        _hasGuest = false;
        Committed = Epoch.Zero;
        _state = SecondaryCheckpointState.Joining;
        Send(new CheckpointReady(_self, _term, start.Attempt), effects);
    }

    private void OnContinue(Instant now, ContinueAsSecondary start, EffectList effects)
    {
        _fence.Begin(start.Peer, start.Term);
        (_peer, _term) = (start.Peer, start.Term);
        Reset();
        _hasGuest = true;
        Committed = start.Epoch;
        _state = SecondaryCheckpointState.Running;
        effects.Add(new Effect.ResumeGuest());
    }

    private void OnEnd(Instant now, EndSecondarySession end, EffectList effects)
    {
        if (_state is SecondaryCheckpointState.Paused or SecondaryCheckpointState.Receiving)
        {
            Discard(end.Reason, effects);
        }

        _hasGuest &= end.KeepGuest;
        Reset();
        _fence.End();
        _state = SecondaryCheckpointState.Idle;
    }

    private void OnPaired(Instant now, SecondaryPaired paired, EffectList effects)
    {
        Invariant.Require(paired.Term > _term, "S4", "the pair is a new term", paired.Term, _term);
        _term = paired.Term;
        _fence.Raise(_term);
    }

    private void OnRequestWithoutGuest(Instant now, CheckpointRequest request, EffectList effects)
    {
        Note(request);
        ReplyPaused(effects);
    }

    private void OnRequest(Instant now, CheckpointRequest request, EffectList effects)
    {
        if (request.Epoch <= Committed)
        {
            return; // repeated
        }

        Note(request);
        _state = SecondaryCheckpointState.Pausing;
        effects.Add(new Effect.PauseGuest());
    }

    private void OnPaused(Instant now, GuestPaused paused, EffectList effects) => ReplyPaused(effects);

    private void OnSend(Instant now, VmStateSend send, EffectList effects)
    {
        if (send.Epoch == _inFlight)
        {
            _state = SecondaryCheckpointState.Receiving;
            CommitWhenComplete(effects);
        }
    }

    private void OnStaged(Instant now, ImageStaged staged, EffectList effects)
    {
        _staged |= staged.Epoch == _inFlight;
        CommitWhenComplete(effects);
    }

    private void OnBarrier(Instant now, DiskBarrierReached barrier, EffectList effects)
    {
        _barrier |= barrier.Epoch == _inFlight;
        CommitWhenComplete(effects);
    }

    private void OnBroken(Instant now, ImageBroken broken, EffectList effects)
    {
        if (broken.Epoch != _inFlight)
        {
            return;
        }

        Discard(broken.Reason, effects);
        Send(new CheckpointRejected(_self, _term, _inFlight, broken.Reason), effects);
        if (_hasGuest)
        {
            effects.Add(new Effect.ResumeGuest());
        }

        _state = _hasGuest ? SecondaryCheckpointState.Running : SecondaryCheckpointState.Joining;
    }

    private void OnLoaded(Instant now, ImageLoaded loaded, EffectList effects)
    {
        Invariant.Require(loaded.Epoch == _inFlight, "S5", "the loaded image is the committed one", loaded.Epoch, _inFlight);
        _hasGuest = true;
        Emit(EventCode.CheckpointLoaded, "", effects);
        if (_settleWhenLoaded)
        {
            effects.Add(new Effect.ResumeGuest());
            Settle(usable: true, effects);
            return;
        }

        if (!_stayPaused)
        {
            effects.Add(new Effect.ResumeGuest());
        }

        _state = _stayPaused ? SecondaryCheckpointState.Handover : SecondaryCheckpointState.Running;
        Send(new VmStateLoaded(_self, _term, loaded.Epoch), effects);
    }

    private void OnLoadFailed(Instant now, LoadFailed failed, EffectList effects)
    {
        _hasGuest = false;
        Emit(EventCode.LoadFailed, failed.Reason, effects);
        if (_settleWhenLoaded)
        {
            Settle(usable: false, effects);
            return;
        }

        _state = SecondaryCheckpointState.Broken;
        effects.Add(new Effect.Tell(CoreName.Failover, new SecondaryFailed($"load of {failed.Epoch}: {failed.Reason}")));
    }

    private void OnResume(Instant now, CheckpointResume resume, EffectList effects)
    {
        _stayPaused = false;
        _state = SecondaryCheckpointState.Running;
        effects.Add(new Effect.ResumeGuest());
    }

    private void OnSettle(Instant now, SettleSecondary settle, EffectList effects)
    {
        switch (_state)
        {
            case SecondaryCheckpointState.Loading:
                _settleWhenLoaded = true; // committed: this image is the truth, whatever happens to the primary
                return;
            case SecondaryCheckpointState.Paused or SecondaryCheckpointState.Receiving:
                Discard("the primary is lost", effects);
                ResumeOwnState(effects);
                break;
            case SecondaryCheckpointState.Pausing or SecondaryCheckpointState.Handover:
                ResumeOwnState(effects);
                break;
            default:
                break; // the guest runs from its own state, or there is none
        }

        Settle(_hasGuest, effects);
    }

    private void CommitWhenComplete(EffectList effects)
    {
        if (!_staged || !_barrier || _state != SecondaryCheckpointState.Receiving)
        {
            return;
        }

        // The commit point: chosen before it is told, told before it is loaded.
        Invariant.Require(_inFlight > Committed, "S5", "epochs rise", _inFlight, Committed);
        Committed = _inFlight;
        _state = SecondaryCheckpointState.Loading;
        Send(new VmStateReceived(_self, _term, _inFlight), effects);
        effects.Add(new Effect.LoadImage(_inFlight));
        Emit(EventCode.CheckpointCommitted, "", effects);
    }

    private void Settle(bool usable, EffectList effects)
    {
        _fence.End();
        _settleWhenLoaded = false;
        _state = SecondaryCheckpointState.Settled;
        effects.Add(new Effect.Tell(CoreName.Failover, new SecondarySettled(Committed, usable)));
    }

    private void ResumeOwnState(EffectList effects)
    {
        if (_hasGuest)
        {
            effects.Add(new Effect.ResumeGuest());
        }
    }

    private void Note(CheckpointRequest request)
    {
        _inFlight = request.Epoch;
        _staged = false;
        _barrier = false;
        _stayPaused = request.Reason == CheckpointReason.Switchover;
    }

    private void ReplyPaused(EffectList effects)
    {
        _state = SecondaryCheckpointState.Paused;
        effects.Add(new Effect.StageImage(_inFlight));
        Send(new CheckpointReply(_self, _term, _inFlight), effects);
    }

    private void Discard(string reason, EffectList effects)
    {
        effects.Add(new Effect.DiscardImage(_inFlight));
        Emit(EventCode.ImageDiscarded, reason, effects);
    }

    private void Reset() => (_staged, _barrier, _stayPaused, _settleWhenLoaded) = (false, false, false, false);

    private void Send(PeerMessage message, EffectList effects) => effects.Add(new Effect.Send(_peer.Host, message));

    private void Emit(EventCode code, string summary, EffectList effects) =>
        effects.Add(new Effect.Emit(new HostEvent(code, _term, _inFlight, summary)));
}
