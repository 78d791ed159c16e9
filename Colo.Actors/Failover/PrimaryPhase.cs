using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// The primary of a pair. A lost secondary, for whatever reason, leads to one question to the arbiter; until its yes
/// only what the pair's rules permit leaves. A planned switchover is a checkpoint after which both stand at the same
/// image, then an exchange in the record. The end of a guest is agreed with the secondary first. Where the operator
/// is the judge that agreement is all there is: without it the secondary's guest may go on, and the last answers of
/// this one wait for the operator.
/// </summary>
internal sealed class PrimaryPhase(FailoverContext context, SoloPhase solo)
{
    private Epoch _handoverEpoch;
    private LossEvidence _evidence;
    private bool _byOperator;
    private GuestEnd _end;
    private bool _endAgreed;

    public void Register(TransitionTable<FailoverState> table)
    {
        FailoverState[] pair = [FailoverState.Primary, FailoverState.SwitchoverOut, FailoverState.SwitchoverAsking];
        FailoverState[] waiting = [FailoverState.PrimaryAsking, FailoverState.PrimaryHeld];
        table
            .On<PeerLost>((_, lost, effects) => LoseSecondary(lost.Peer, lost.Evidence, effects), pair)
            .On<ReplicationLinkLost>((_, lost, effects) => LoseSecondary(lost.Peer, LossEvidence.ReplicationLink, effects), pair)
            .On<CheckpointStalled>((_, stalled, effects) => LoseSecondary(stalled.Peer, LossEvidence.Stalled, effects), pair)
            .On<LeaveNotice>((_, leave, effects) => LoseSecondary(leave.From, LossEvidence.Operator, effects), pair)
            .On<PeerSeen>(OnPeerSeen, pair)
            .On<ArbiterAnswered>(OnSuspicionAnswered, FailoverState.Primary, FailoverState.SwitchoverOut)
            .On<ArbiterAnswered>(OnSoloAnswered, FailoverState.PrimaryAsking)
            .On<ArbiterAnswered>(OnSwitchoverAnswered, FailoverState.SwitchoverAsking)
            .On<ArbiterAnswered>(OnEndAnswered, FailoverState.Ending)
            .On<SwitchoverWanted>((_, wanted, effects) => BeginSwitchover(wanted.Reason, effects), FailoverState.Primary)
            .On<SwitchoverCheckpointLoaded>(OnHandover, FailoverState.SwitchoverOut)
            .On<GuestHandedOver>(OnHandedOver, FailoverState.SwitchoverOut)
            .On<GatewayChanged>(OnGateway, Enum.GetValues<FailoverState>())
            .On<GuestEnded>(OnGuestEnded, FailoverState.Primary, FailoverState.SwitchoverOut)
            .On<GuestEnded>((_, ended, _) => context.EndedMeanwhile = ended.End,
                [.. waiting, FailoverState.SwitchoverAsking, FailoverState.AskingPair])
            .On<GuestEndAgreed>((_, _, effects) => AgreeOnEnd(effects), FailoverState.Ending)
            .On<PeerSeen>(OnPeerSeenEnding, FailoverState.Ending)
            .On<PeerLost>((_, _, effects) => AskOff(effects), FailoverState.Ending)
            .On<ReplicationLinkLost>((_, _, effects) => AskOff(effects), FailoverState.Ending)
            .On<MachineFailed>(OnMachineFailed, [.. pair, .. waiting])
            .On<PairDissolved>(context.OnDissolved, [.. pair, .. waiting, FailoverState.Ending])
            .On<PeerLost>(OnPeerLostHeld, FailoverState.PrimaryHeld)
            .On<TimerFired>(OnTimer, [.. pair, .. waiting, FailoverState.Ending]);
    }

    /// <summary>Goes on alone, if the arbiter agrees.</summary>
    public void LoseSecondary(HostIdentity peer, LossEvidence evidence, EffectList effects)
    {
        if (peer != context.Peer)
        {
            return;
        }

        _evidence = evidence;
        context.Emit(EventCode.PeerLost, $"{peer}: {evidence}", effects);
        context.Desk.Finish(CommandResult.Failed, $"the secondary is lost: {evidence}", effects);
        context.Draining = false; // it could not be handed over, so it needs a second copy here
        context.StopTimer(TimerName.PeerStep, effects);
        context.Tell(CoreName.PrimaryCheckpoint, new EndPrimarySession(Resume: true, $"{evidence}"), effects);
        effects.Add(new Effect.RunHook("on-peer-lost", context.Term, $"{peer}"));
        if (context.ProtectionPaused && evidence != LossEvidence.Operator)
        {
            context.Enter(FailoverState.PrimaryHeld, "the operator: protection is paused");
            context.Emit(EventCode.HoldingForOperator, "protection is paused", effects);
        }
        else if (!context.GatewayReachable && evidence != LossEvidence.ProcessGone)
        {
            context.Enter(FailoverState.PrimaryHeld, "the other side to ask first: the gateway is not reached from here");
            context.StartTimer(TimerName.IsolationHandicap, context.Options.IsolationHandicap, effects);
        }
        else
        {
            AskSolo(ArbiterClaim.InSync, effects, byOperator: evidence == LossEvidence.Operator);
        }
    }

    public void AskSolo(ArbiterClaim claim, EffectList effects, bool byOperator = false)
    {
        _byOperator = byOperator;
        context.StopTimer(TimerName.IsolationHandicap, effects);
        context.AskSolo(claim, effects);
        context.Enter(FailoverState.PrimaryAsking, "the arbiter");
    }

    public void BeginSwitchover(string reason, EffectList effects)
    {
        context.Emit(EventCode.SwitchoverStarted, reason, effects);
        context.Enter(FailoverState.SwitchoverOut, "the last checkpoint");
        context.StartTimer(TimerName.PeerStep, context.Options.PeerStepTimeout, effects);
        context.Tell(CoreName.PrimaryCheckpoint, new CheckpointTrigger(CheckpointReason.Switchover), effects);
    }

    /// <summary>A primary that does not reach the gateway, while the other host does, is in the wrong place.</summary>
    public void HandOverIfCutOff(EffectList effects)
    {
        if (context.State == FailoverState.Primary && IsCutOff && !context.ProtectionPaused)
        {
            BeginSwitchover("the gateway is reached from the other host only", effects);
        }
    }

    private bool IsCutOff => !context.GatewayReachable && context.PeerReachesGateway;

    /// <summary>The guest is to end on both sides.</summary>
    public void EndGuest(GuestEnd end, EffectList effects)
    {
        context.Emit(EventCode.GuestEnded, $"{end}", effects);
        context.Enter(FailoverState.Ending, "the secondary");
        (_end, _endAgreed) = (end, false);
        SendEnd(effects);
        context.StartTimer(TimerName.PeerStep, context.Options.PeerStepTimeout, effects);
    }

    /// <summary>The operator's word that the guest goes on nowhere.</summary>
    public void ForceOff(EffectList effects)
    {
        context.AskSolo(ArbiterClaim.OperatorForced, effects, poweredOff: true);
        context.Enter(FailoverState.Ending, "the arbiter");
    }

    private void OnPeerSeen(Instant now, PeerSeen seen, EffectList effects)
    {
        if (context.IsRestartOfPeer(seen))
        {
            LoseSecondary(context.Peer!.Value, LossEvidence.Restarted, effects);
        }
        else if (seen.Term > context.Term && context.State != FailoverState.SwitchoverAsking)
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
        if (answered.Answer is ArbiterAnswer.Granted { Record: var record } && record.Term > context.Term && !record.InSync(context.Self))
        {
            context.Evicted(record, effects);
        }
    }

    private void OnSoloAnswered(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        switch (answered.Answer)
        {
            case ArbiterAnswer.Granted granted when granted.Record.IsSoloOf(context.Self):
                HostIdentity? former = context.Peer;
                context.OwnAlone(granted.Record, effects);
                solo.EnterSolo(merging: false, effects);
                effects.Add(new Effect.RunHook("on-solo", granted.Record.Term, $"{_evidence}"));
                context.Emit(EventCode.WentSolo, $"{_evidence}", effects);
                context.Desk.Finish(CommandResult.Done, "alone", effects);
                if (former is { } peer)
                {
                    context.Send(peer.Host, new PairDissolved(context.Self, granted.Record.Term, granted.Record), effects);
                }

                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.OperatorNeeded } when _byOperator:
                // There is no arbiter, and who decides without one has: the operator's command, or the peer's own farewell.
                AskSolo(ArbiterClaim.OperatorForced, effects);
                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.OperatorNeeded }:
                context.HoldForOperator(FailoverState.PrimaryHeld, effects);
                break;
            case ArbiterAnswer.Refused { Current: { } current } when current.InSync(context.Self) && current.Term > context.Record!.Term:
                context.Learn(current, effects); // a yes that had been lost on the way; the next term is still free
                AskSolo(ArbiterClaim.InSync, effects, _byOperator);
                break;
            default:
                context.OnOtherAnswer(answered.Answer, effects);
                break;
        }
    }

    private void OnHandover(Instant now, SwitchoverCheckpointLoaded loaded, EffectList effects)
    {
        _handoverEpoch = loaded.Epoch;
        context.Epoch = Epoch.Max(context.Epoch, loaded.Epoch);
        context.StopTimer(TimerName.PeerStep, effects);
        ArbiterRecord exchanged = new(context.Vm, context.Term.Next, context.Peer!.Value, context.Self);
        context.Ask(exchanged, ArbiterClaim.InSync, effects);
        context.Enter(FailoverState.SwitchoverAsking, "the arbiter");
    }

    private void OnSwitchoverAnswered(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        switch (answered.Answer)
        {
            case ArbiterAnswer.Granted granted when granted.Record == context.Proposal?.Next:
                StepBack(granted.Record, effects);
                break;
            case ArbiterAnswer.Refused { Current: { } current } when current == context.Record:
                CancelSwitchover("the arbiter refused", effects);
                break;
            default:
                context.OnOtherAnswer(answered.Answer, effects);
                break;
        }
    }

    private void StepBack(ArbiterRecord record, EffectList effects)
    {
        HostIdentity peer = record.Primary;
        context.Learn(record, effects);
        context.Term = record.Term;
        context.Fence.Begin(peer, record.Term);
        effects.Add(new Effect.CloseGate("secondary"));
        effects.Add(new Effect.DetachNetwork());
        context.Tell(CoreName.PrimaryCheckpoint, new EndPrimarySession(Resume: false, "roles exchanged"), effects);
        context.SetDisk(DiskRole.Secondary, effects);
        context.Connect(peer.Host, record.Term, asPrimary: false, effects);
        context.Tell(CoreName.SecondaryCheckpoint, new ContinueAsSecondary(peer, record.Term, _handoverEpoch), effects);
        context.Send(peer.Host, new SwitchoverGranted(context.Self, record.Term, record, _handoverEpoch), effects);
        context.Enter(FailoverState.Secondary);
        context.Emit(EventCode.SwitchoverDone, $"{record}", effects);
        context.Desk.Finish(CommandResult.Done, $"{record}", effects);
        if (context.Draining)
        {
            context.Send(peer.Host, new LeaveNotice(context.Self, context.Term, "drain"), effects);
        }
    }

    private void OnHandedOver(Instant now, GuestHandedOver handed, EffectList effects)
    {
        context.Emit(EventCode.SwitchoverDone, handed.Detail, effects);
        context.Desk.Finish(CommandResult.Done, handed.Detail, effects);
        context.DiscardAndPark(handed.Detail, effects); // the secondary sees the links close and takes over
    }

    private void CancelSwitchover(string reason, EffectList effects)
    {
        context.StopTimer(TimerName.PeerStep, effects);
        context.Tell(CoreName.PrimaryCheckpoint, new SwitchoverCancelled(reason), effects);
        context.Draining = false;
        context.Enter(FailoverState.Primary);
        context.Emit(EventCode.SwitchoverCancelled, reason, effects);
        context.Desk.Finish(CommandResult.Failed, $"rolled back: {reason}", effects);
        if (IsCutOff)
        {
            context.StartTimer(TimerName.PeerStep, context.Options.PeerStepTimeout, effects); // then once more
        }
    }

    private void OnGateway(Instant now, GatewayChanged changed, EffectList effects)
    {
        if (changed.Reachable != context.GatewayReachable)
        {
            context.Emit(changed.Reachable ? EventCode.GatewayBack : EventCode.GatewayLost, "", effects);
        }

        context.GatewayReachable = changed.Reachable;
        context.PeerReachesGateway = changed.PeerReaches;
        HandOverIfCutOff(effects);
    }

    private void OnGuestEnded(Instant now, GuestEnded ended, EffectList effects)
    {
        context.Desk.Finish(CommandResult.Failed, $"the guest ended: {ended.End}", effects);
        EndGuest(ended.End, effects);
    }

    private void SendEnd(EffectList effects) =>
        context.Send(context.Peer!.Value.Host, new GuestEndNotice(context.Self, context.Term, _end), effects);

    private void OnPeerSeenEnding(Instant now, PeerSeen seen, EffectList effects)
    {
        if (seen.Peer.Host != context.Peer?.Host)
        {
            return;
        }

        if (!seen.HoldsGuest && seen.Term == context.Record?.Term)
        {
            AgreeOnEnd(effects); // the agreement was lost on the way: it was in this pair, and has no guest any more
        }
        else if (context.WaitsForOperator)
        {
            SendEnd(effects); // the notice may have been lost
        }
    }

    private void AgreeOnEnd(EffectList effects)
    {
        _endAgreed = true;
        if (context.WaitsForOperator)
        {
            ForceOff(effects);
        }
        else
        {
            AskOff(effects);
        }
    }

    private void AskOff(EffectList effects)
    {
        if (context.Record is null || context.Proposal?.Next == context.SoloRecord(poweredOff: true))
        {
            return; // asked already; a question of an earlier term is another guest's
        }

        context.StopTimer(TimerName.PeerStep, effects);
        context.Tell(CoreName.PrimaryCheckpoint, new EndPrimarySession(Resume: false, "the guest has ended"), effects);
        context.AskSolo(ArbiterClaim.InSync, effects, poweredOff: true);
        context.Enter(FailoverState.Ending, "the arbiter");
    }

    private void OnEndAnswered(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        switch (answered.Answer)
        {
            case ArbiterAnswer.Granted granted when granted.Record.IsSoloOf(context.Self):
                context.OwnAlone(granted.Record, effects); // the guest's last answers leave
                effects.Add(new Effect.DetachNetwork());
                effects.Add(new Effect.CloseGate("off"));
                effects.Add(new Effect.DiscardGuest("ended"));
                context.Enter(FailoverState.Off, "the operator's start");
                context.Desk.Finish(CommandResult.Done, "off", effects);
                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.OperatorNeeded } when _endAgreed:
                ForceOff(effects); // the other host has thrown its copy away: nobody is left who could go on
                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.OperatorNeeded }:
                context.HoldForOperator(FailoverState.Ending, effects);
                break;
            case ArbiterAnswer.Refused { Current: { } current } when current.InSync(context.Self) && current.Term > context.Record!.Term:
                context.Learn(current, effects);
                context.AskSolo(ArbiterClaim.InSync, effects, poweredOff: true);
                break;
            default:
                context.OnOtherAnswer(answered.Answer, effects);
                break;
        }
    }

    private void OnMachineFailed(Instant now, MachineFailed failed, EffectList effects) =>
        context.DiscardAndPark(failed.Reason, effects); // the secondary sees the links close and takes over

    private void OnPeerLostHeld(Instant now, PeerLost lost, EffectList effects)
    {
        if (lost.Peer == context.Peer && lost.Evidence == LossEvidence.ProcessGone && !context.ProtectionPaused
            && !context.WaitsForOperator)
        {
            AskSolo(ArbiterClaim.InSync, effects); // nobody is left to let go first
        }
    }

    private void OnTimer(Instant now, TimerFired fired, EffectList effects)
    {
        switch (fired.Name, context.State)
        {
            case (TimerName.ArbiterRetry, FailoverState.PrimaryAsking or FailoverState.SwitchoverAsking or FailoverState.Ending):
                context.AskAgain(effects);
                break;
            case (TimerName.IsolationHandicap, FailoverState.PrimaryHeld):
                AskSolo(ArbiterClaim.InSync, effects);
                break;
            case (TimerName.PeerStep, FailoverState.Primary):
                HandOverIfCutOff(effects);
                break;
            case (TimerName.PeerStep, FailoverState.SwitchoverOut):
                CancelSwitchover("not ready in time", effects);
                break;
            case (TimerName.PeerStep, FailoverState.Ending):
                AskOff(effects);
                break;
            default:
                break; // of a state that is past
        }
    }
}
