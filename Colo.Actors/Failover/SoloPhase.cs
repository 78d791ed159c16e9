using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// The owner alone, and how it takes a joiner in: fill disk and memory while solo, give solo up at the capture of the
/// joining checkpoint, ask the arbiter for the pair when the joiner stands at it. Before that question a failure leads
/// straight back to solo; after it only a certain answer does, because a yes may be on its way and the joiner may win a
/// term with it.
/// </summary>
internal sealed class SoloPhase(FailoverContext context)
{
    private readonly JoinBackoff _backoff = new(context.Options);
    private readonly RestartBackoff _restarts = new(context.Options);
    private long _attempt;
    private DiskLineage _joinerDisk;
    private Epoch _joinEpoch;
    private bool _merging;
    private Term _bitmapSince = Term.Zero;
    private readonly List<HostId> _offered = [];
    private JoinOffer? _best;
    private Instant _chooseBy;

    public void Register(TransitionTable<FailoverState> table)
    {
        FailoverState[] attempt = [FailoverState.SoloFilling, FailoverState.Joining];
        table
            .On<JoinOffer>(OnOffer, FailoverState.Solo)
            .On<DiskMerged>((_, _, effects) => OnMerged(effects), FailoverState.Solo)
            .On<JoinerReady>(OnReady, FailoverState.SoloFilling)
            .On<ResyncConverged>(OnConverged, FailoverState.SoloFilling)
            .On<ResyncFailed>((now, failed, effects) => FailJoin(now, failed.Peer, failed.Reason, effects), attempt)
            .On<PeerLost>((now, lost, effects) => FailJoin(now, lost.Peer, $"{lost.Evidence}", effects), attempt)
            .On<ReplicationLinkLost>(
                (now, lost, effects) => FailJoin(now, lost.Peer, $"{lost.Channel} link", effects), attempt)
            .On<CheckpointStalled>(
                (now, stalled, effects) => FailJoin(now, stalled.Peer, stalled.Phase, effects), attempt)
            .On<LeaveNotice>((now, leave, effects) => FailJoin(now, leave.From, leave.Reason, effects), attempt)
            .On<PeerSeen>(OnPeerSeen, FailoverState.Solo, FailoverState.SoloFilling, FailoverState.Joining)
            .On<JoinCheckpointLoaded>(OnJoinLoaded, FailoverState.Joining)
            .On<ArbiterAnswered>(OnSuspicionAnswered, FailoverState.Solo, FailoverState.SoloFilling)
            .On<ArbiterAnswered>(OnPairAnswered, FailoverState.AskingPair)
            .On<PeerLost>((_, lost, effects) => LoseWhileAsking(lost.Peer, $"{lost.Evidence}", effects), FailoverState.AskingPair)
            .On<ReplicationLinkLost>((_, lost, effects) => LoseWhileAsking(lost.Peer, $"{lost.Channel} link", effects),
                FailoverState.AskingPair)
            .On<PeerSeen>((_, seen, effects) => LoseIfRestarted(seen, effects), FailoverState.AskingPair)
            .On<PeerSeen>((_, seen, effects) => context.TellOfRecord(seen, effects), FailoverState.Off)
            .On<LeaveNotice>((_, leave, effects) => LoseWhileAsking(leave.From, leave.Reason, effects), FailoverState.AskingPair)
            .On<TimerFired>(OnTimer, FailoverState.Solo, FailoverState.SoloFilling, FailoverState.AskingPair)
            .On<GuestEnded>(OnGuestEnded, FailoverState.Solo, FailoverState.SoloFilling, FailoverState.Joining)
            .On<MachineFailed>(OnMachineFailed, FailoverState.Solo, FailoverState.SoloFilling, FailoverState.Joining,
                FailoverState.AskingPair)
            .On<PairDissolved>(context.OnDissolved, FailoverState.Solo, FailoverState.SoloFilling, FailoverState.Joining,
                FailoverState.AskingPair);
    }

    /// <summary>Solo from now on; a merge of the disk buffer may still run.</summary>
    public void EnterSolo(bool merging, EffectList effects)
    {
        _merging = merging;
        _bitmapSince = context.Term;
        context.Enter(FailoverState.Solo, merging ? "the merge of the disk buffer" : "a joiner");
    }

    /// <summary>The operator wants a pair now: no more waiting.</summary>
    public void ForgetFailures() => _backoff.Forget();

    /// <summary>Back to solo from an attempt that did not end well; the joiner is left alone for a while.</summary>
    private void FailJoin(Instant now, HostIdentity peer, string reason, EffectList effects)
    {
        if (peer != context.Peer)
        {
            return;
        }

        (int failures, TimeSpan wait) = _backoff.Fail(now, peer);
        AbortJoin(peer, reason, effects);
        context.Enter(FailoverState.Solo, failures == 1
            ? $"a joiner; the attempt with {peer.Host} failed: {reason}"
            : $"a joiner; {failures} attempts in a row with {peer.Host} failed, the last: {reason}; "
                + $"{peer.Host} is left alone for {wait.TotalSeconds:0.#} s");
    }

    /// <summary>Back to solo from an attempt for which the pair was never asked.</summary>
    public void AbortJoin(HostIdentity peer, string reason, EffectList effects)
    {
        if (peer != context.Peer)
        {
            return;
        }

        StopAttempt(reason, effects);
        context.OwnAlone(context.Record!, effects); // the record in force is still this host's; the gate goes back to Solo
        context.Enter(FailoverState.Solo, "a joiner");
    }

    private void OnOffer(Instant now, JoinOffer offer, EffectList effects)
    {
        if (offer.Term > context.Term)
        {
            context.Emit(EventCode.HigherTermSeen, $"{offer.From} {offer.Term}", effects);
            context.Read(effects);
            return;
        }

        if (!IsWelcome(now, offer))
        {
            return;
        }

        if (context.Candidates.Count <= 2)
        {
            Begin(offer, effects);
            return;
        }

        // Each host that is fit gets the time to say so.
        IReadOnlyList<HostId> order = context.JoinerOrder;
        if (_best is null || now > _chooseBy)
        {
            TimeSpan wait = context.Options.OfferInterval * (order.Count > 0 ? 4 : 1.25);
            _best = null;
            _offered.Clear();
            _chooseBy = now + wait;
            context.StartTimer(TimerName.JoinChoice, wait, effects);
        }

        _offered.Add(offer.From.Host);
        _best = _best is null || Rank(offer) < Rank(_best) ? offer : _best;
        if (_best.From.Host == context.WantedJoiner || (order.Count > 0 && order.All(_offered.Contains)))
        {
            context.StopTimer(TimerName.JoinChoice, effects);
            Begin(_best, effects);
        }
    }

    private bool IsWelcome(Instant now, JoinOffer offer) =>
        context.ProtectionWanted && !context.ProtectionPaused && !context.Draining && !_merging
        && context.Candidates.Contains(offer.From.Host) && _backoff.Allows(now, offer.From);

    /// <summary>Lowest first: the operator's choice, then a host whose disk needs no full copy, then the order that was
    /// told.</summary>
    private int Rank(JoinOffer offer)
    {
        if (offer.From.Host == context.WantedJoiner)
        {
            return -1;
        }

        IReadOnlyList<HostId> order = context.JoinerOrder;
        int place = 0;
        while (place < order.Count && order[place] != offer.From.Host)
        {
            place++;
        }

        bool full = context.Options.DiskSizeBytes > 0
            && ResyncWorkerCore.Plan(offer.Disk, _bitmapSince, context.Options.DiskSizeBytes) != DiskCopyPlan.Bitmaps;
        return place + (full ? order.Count + 1 : 0);
    }

    private void Begin(JoinOffer offer, EffectList effects)
    {
        _best = null;
        _attempt++;
        _joinerDisk = offer.Disk;
        context.Peer = offer.From;
        context.Fence.Begin(offer.From, context.Term);
        context.Enter(FailoverState.SoloFilling, $"{offer.From.Host} to be filled");
        context.Emit(EventCode.JoinStarted, $"filling {offer.From}", effects);
        context.Connect(offer.From.Host, context.Term, asPrimary: true, effects);
        context.Tell(CoreName.PrimaryCheckpoint,
            new StartPrimarySession(offer.From, context.Term, _attempt, context.Epoch, InSync: false), effects);
        context.Send(offer.From.Host, new JoinInvite(context.Self, context.Term, _attempt), effects);
        context.StartTimer(TimerName.PeerStep, context.Options.InviteTimeout, effects);
    }

    private void OnMerged(EffectList effects)
    {
        _merging = false;
        context.Enter(FailoverState.Solo, "a joiner");
        context.Emit(EventCode.DiskMerged, "", effects);
    }

    private void OnReady(Instant now, JoinerReady ready, EffectList effects)
    {
        if (ready.Peer != context.Peer)
        {
            return;
        }

        context.StopTimer(TimerName.PeerStep, effects);
        context.Tell(CoreName.Resync, new StartResync(ready.Peer, context.Term, _joinerDisk, _bitmapSince, context.Options.DiskSizeBytes),
            effects);
        context.Emit(EventCode.ResyncStarted, $"{ready.Peer}", effects);
    }

    private void OnConverged(Instant now, ResyncConverged converged, EffectList effects)
    {
        if (converged.Peer != context.Peer)
        {
            return;
        }

        context.Enter(FailoverState.Joining, "the joining checkpoint");
        string disk = converged.Disk.Length > 0 ? $", {converged.Disk}" : string.Empty;
        context.Emit(EventCode.ResyncDone, $"{converged.Peer}{disk}", effects);
        context.SetDisk(DiskRole.Primary, effects);
        context.Tell(CoreName.PrimaryCheckpoint, new CheckpointTrigger(CheckpointReason.Join), effects);
    }

    private void OnJoinLoaded(Instant now, JoinCheckpointLoaded loaded, EffectList effects)
    {
        if (loaded.Peer != context.Peer)
        {
            return;
        }

        _joinEpoch = loaded.Epoch;
        context.Epoch = Epoch.Max(context.Epoch, loaded.Epoch);
        context.Emit(EventCode.JoinCheckpointTaken, $"{loaded.Epoch}", effects);
        ArbiterRecord pair = new(context.Vm, context.Term.Next, context.Self, loaded.Peer);
        context.Ask(pair, ArbiterClaim.InSync, effects);
        context.Enter(FailoverState.AskingPair, "the arbiter");
    }

    private void OnPairAnswered(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        switch (answered.Answer)
        {
            case ArbiterAnswer.Granted granted when granted.Record == context.Proposal?.Next:
                EnterPair(granted.Record, effects);
                break;
            case ArbiterAnswer.Refused { Current: { } current }
                when current.IsSoloOf(context.Self) && current.Term >= context.Term:
                // A certain no: the record in force is this host alone, and the question is answered. An older record
                // of that kind is the answer of an arbiter that has forgotten, perhaps the pair too.
                context.Learn(current, effects);
                FailJoin(now, context.Peer!.Value, "the arbiter refused the pair", effects);
                break;
            default:
                context.OnOtherAnswer(answered.Answer, effects);
                break;
        }
    }

    private void EnterPair(ArbiterRecord record, EffectList effects)
    {
        _backoff.Forget();
        context.Learn(record, effects);
        context.Term = record.Term;
        context.Fence.Raise(record.Term);
        effects.Add(new Effect.OpenPairGate(record, _joinEpoch));
        // Before anything that a checkpoint core says in the new term: the peer refuses what is above its own.
        context.Send(context.Peer!.Value.Host, new PairEstablished(context.Self, record.Term, record), effects);
        context.Tell(CoreName.PrimaryCheckpoint, new PrimaryPaired(record.Term), effects);
        context.Enter(FailoverState.Primary);
        context.Emit(EventCode.PairEstablished, $"{record}", effects);
        effects.Add(new Effect.RunHook("on-pair", record.Term, record.ToString()));
    }

    private void LoseWhileAsking(HostIdentity peer, string reason, EffectList effects)
    {
        if (peer != context.Peer)
        {
            return;
        }

        // The pair may be in force already or become so: a read would not tell for certain. Winning the next term does.
        StopAttempt(reason, effects);
        context.AskSolo(ArbiterClaim.InSync, effects);
        context.Enter(FailoverState.PrimaryAsking, "the arbiter");
    }

    private void LoseIfRestarted(PeerSeen seen, EffectList effects)
    {
        if (context.IsRestartOfPeer(seen))
        {
            LoseWhileAsking(context.Peer!.Value, "restarted", effects);
        }
    }

    private void OnPeerSeen(Instant now, PeerSeen seen, EffectList effects)
    {
        if (context.IsRestartOfPeer(seen))
        {
            AbortJoin(context.Peer!.Value, "restarted", effects);
        }
        else if (seen.Term > context.Term && context.State != FailoverState.Joining)
        {
            context.Emit(EventCode.HigherTermSeen, $"{seen.Peer} {seen.Term}", effects);
            context.Read(effects);
        }
        else
        {
            context.TellOfRecord(seen, effects);
        }
    }

    private void OnSuspicionAnswered(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        if (answered.Answer is ArbiterAnswer.Granted granted && granted.Record.Term > context.Term)
        {
            context.Evicted(granted.Record, effects); // only an operator's forced takeover does this to a solo owner
        }
    }

    private void OnTimer(Instant now, TimerFired fired, EffectList effects)
    {
        if (fired.Name == TimerName.ArbiterRetry && context.State == FailoverState.AskingPair)
        {
            context.AskAgain(effects);
        }
        else if (fired.Name == TimerName.JoinChoice && context.State == FailoverState.Solo)
        {
            JoinOffer? chosen = _best;
            _best = null;
            if (chosen is not null && chosen.Term <= context.Term && IsWelcome(now, chosen))
            {
                Begin(chosen, effects);
            }
        }
        else if (fired.Name == TimerName.PeerStep && context.State == FailoverState.SoloFilling)
        {
            FailJoin(now, context.Peer!.Value, "not ready in time", effects);
        }
    }

    private void OnGuestEnded(Instant now, GuestEnded ended, EffectList effects)
    {
        if (context.State != FailoverState.Solo)
        {
            AbortJoin(context.Peer!.Value, "the guest has ended", effects);
        }

        context.Emit(EventCode.GuestEnded, $"{ended.End}", effects);
        context.AskSolo(ArbiterClaim.InSync, effects, poweredOff: true);
        context.Enter(FailoverState.Ending, "the arbiter");
    }

    private void OnMachineFailed(Instant now, MachineFailed failed, EffectList effects)
    {
        // There is no other complete copy. The disk is here and current: boot from it again in the next term.
        if (context.State != FailoverState.Solo)
        {
            StopAttempt(failed.Reason, effects);
        }

        effects.Add(new Effect.CloseGate(failed.Reason));
        effects.Add(new Effect.DiscardGuest(failed.Reason));
        TimeSpan wait = _restarts.Fail(now);
        if (wait == TimeSpan.Zero)
        {
            context.AskSolo(ArbiterClaim.InSync, effects);
            context.Enter(FailoverState.ColdStarting, "the arbiter");
        }
        else
        {
            context.StartTimer(TimerName.MachineRetry, wait, effects);
            context.Enter(FailoverState.ColdStarting, $"{wait.TotalSeconds:0} s: {failed.Reason}");
        }
    }

    private void StopAttempt(string reason, EffectList effects)
    {
        context.Emit(EventCode.JoinAborted, reason, effects);
        context.Tell(CoreName.PrimaryCheckpoint, new EndPrimarySession(Resume: true, reason), effects);
        context.Tell(CoreName.Resync, new StopResync(reason), effects);
        context.StopTimer(TimerName.PeerStep, effects);
        effects.Add(new Effect.DisconnectReplication(reason));
    }
}
