using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// The secondary of a pair, and the joiner before it. A lost primary leads to two things at once: the replica is
/// settled at one history, and the arbiter is asked for the term. Only when both are there does this host release. A
/// joiner that is complete but was never told of the pair reads the record first: only the arbiter knows whether it is
/// in the set.
/// </summary>
internal sealed class SecondaryPhase(FailoverContext context, SoloPhase solo)
{
    /// <summary>The lost primary may have begun a few epochs that were never committed here (one, and its
    /// repetitions).</summary>
    private const long EpochGap = 16;

    private bool _settled;
    private bool _byOperator;
    private bool _usable;
    private Epoch _settledEpoch;

    public void Register(TransitionTable<FailoverState> table)
    {
        FailoverState[] target = [FailoverState.JoinTarget];
        FailoverState[] asking = [FailoverState.SecondaryAsking, FailoverState.SecondaryHeld];
        table
            .On<JoinInvite>(OnInviteAgain, target)
            .On<PairEstablished>(OnPaired, target)
            .On<PeerLost>((_, lost, effects) => LoseOwner(lost.Peer, effects), target)
            .On<ReplicationLinkLost>((_, lost, effects) => LoseOwner(lost.Peer, effects), target)
            .On<PeerSeen>(OnOwnerSeen, target)
            .On<SecondaryFailed>((_, failed, effects) => Leave(failed.Reason, effects), target)
            .On<MachineFailed>((_, failed, effects) => Leave(failed.Reason, effects), target)
            .On<SecondarySettled>((_, settled, _) => Note(settled), FailoverState.JoinTargetLost, FailoverState.SecondaryAsking,
                FailoverState.SecondaryHeld)
            .On<ArbiterAnswered>(OnMembershipRead, FailoverState.JoinTargetLost)
            .On<PeerLost>((_, lost, effects) => LosePrimary(lost.Peer, lost.Evidence, effects), FailoverState.Secondary)
            .On<PeerLost>(OnPeerLostHeld, FailoverState.SecondaryHeld)
            .On<ReplicationLinkLost>((_, lost, effects) => LosePrimary(lost.Peer, LossEvidence.ReplicationLink, effects),
                FailoverState.Secondary)
            .On<PeerSeen>(OnPeerSeen, FailoverState.Secondary)
            .On<PeerSeen>(OnPeerSeenHeld, FailoverState.SecondaryHeld)
            .On<ArbiterAnswered>(OnSuspicionAnswered, FailoverState.Secondary)
            .On<ArbiterAnswered>(OnSoloAnswered, FailoverState.SecondaryAsking)
            .On<SecondaryFailed>((_, failed, effects) => Leave(failed.Reason, effects), FailoverState.Secondary)
            .On<MachineFailed>((_, failed, effects) => Leave(failed.Reason, effects), FailoverState.Secondary)
            .On<MachineFailed>((_, failed, effects) => context.DiscardAndPark(failed.Reason, effects),
                [.. asking, FailoverState.JoinTargetLost, FailoverState.Promoting])
            .On<GuestEnded>(OnGuestEnded, FailoverState.Secondary)
            .On<GuestEnded>((_, ended, _) => NoteEnd(ended.End),
                [.. asking, FailoverState.JoinTargetLost, FailoverState.Promoting])
            .On<GuestEndNotice>(OnEndNotice, FailoverState.Secondary)
            .On<SwitchoverGranted>(OnSwitchoverGranted, FailoverState.Secondary)
            .On<SecondarySettled>(OnSettledPromoting, FailoverState.Promoting)
            .On<PairDissolved>(context.OnDissolved, [.. asking, FailoverState.Secondary, FailoverState.Promoting])
            .On<PairDissolved>(OnDissolvedTarget, FailoverState.JoinTarget, FailoverState.JoinTargetLost)
            .On<TimerFired>(OnTimer, [.. asking, .. target, FailoverState.JoinTargetLost]);
    }

    public void LosePrimary(HostIdentity peer, LossEvidence evidence, EffectList effects)
    {
        if (peer != context.Peer)
        {
            return;
        }

        context.Emit(EventCode.FailoverStarted, $"{peer}: {evidence}", effects);
        effects.Add(new Effect.RunHook("on-peer-lost", context.Term, $"{peer}"));
        BeginSettling(effects);
        if (context.ProtectionPaused && evidence != LossEvidence.Operator)
        {
            context.Enter(FailoverState.SecondaryHeld, "the operator: protection is paused");
            context.Emit(EventCode.HoldingForOperator, "protection is paused", effects);
        }
        else if (evidence == LossEvidence.ReplicationLink
            || (!context.GatewayReachable && evidence is LossEvidence.Silence))
        {
            // The primary may well live: it can go on without a gap, this host cannot. Let it ask first.
            context.Enter(FailoverState.SecondaryHeld, "the primary to ask first");
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
        context.Enter(FailoverState.SecondaryAsking, "the arbiter");
    }

    /// <summary>Out of the pair in good order; the primary evicts this host through the arbiter.</summary>
    public void Leave(string reason, EffectList effects)
    {
        context.Send(context.Peer!.Value.Host, new LeaveNotice(context.Self, context.Term, reason), effects);
        context.DiscardAndPark(reason, effects);
    }

    private void OnInviteAgain(Instant now, JoinInvite invite, EffectList effects)
    {
        // One that comes twice must not cost the image that the owner may be counting on.
        bool isKnown = context.Invite is { } last && last.From == invite.From && last.Term == invite.Term
            && last.Attempt >= invite.Attempt;
        if (invite.Term >= context.Term && !isKnown)
        {
            effects.Add(new Effect.DiscardGuest("a new attempt"));
            context.BecomeTarget(invite, effects);
        }
    }

    private void OnPaired(Instant now, PairEstablished paired, EffectList effects)
    {
        if (paired.From != context.Peer || paired.Record.Term != context.Term.Next || paired.Record.Secondary != context.Self)
        {
            return; // another attempt's
        }

        context.Learn(paired.Record, effects);
        context.Term = paired.Record.Term;
        context.Fence.Raise(context.Term);
        context.Tell(CoreName.SecondaryCheckpoint, new SecondaryPaired(context.Term), effects);
        context.Send(paired.From.Host, new PairConfirmed(context.Self, context.Term), effects);
        context.SetDisk(DiskRole.Secondary, effects);
        context.Enter(FailoverState.Secondary);
        context.Emit(EventCode.PairEstablished, $"{paired.Record}", effects);
        effects.Add(new Effect.RunHook("on-pair", context.Term, paired.Record.ToString()));
    }

    private void LoseOwner(HostIdentity peer, EffectList effects)
    {
        if (peer == context.Peer)
        {
            BeginSettling(effects);
            context.Read(effects);
            context.Enter(FailoverState.JoinTargetLost, "the arbiter: is this host in the set?");
        }
    }

    private void OnOwnerSeen(Instant now, PeerSeen seen, EffectList effects)
    {
        if (context.IsRestartOfPeer(seen))
        {
            LoseOwner(context.Peer!.Value, effects);
        }
    }

    private void OnDissolvedTarget(Instant now, PairDissolved dissolved, EffectList effects)
    {
        if (dissolved.Record.Term > context.Term)
        {
            context.OnDissolved(now, dissolved, effects);
        }
        else if (dissolved.Record.Term > (context.Record?.Term ?? Term.Zero))
        {
            context.Learn(dissolved.Record, effects); // the record by which this host was invited, or an older one
        }
    }

    private void OnMembershipRead(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        switch (answered.Answer)
        {
            case ArbiterAnswer.Granted { Record: var record } when record.Term < context.Term:
                // That this host was in the set once, before the owner's term, says nothing of its present state.
                context.RetryLater(
                    $"its record {record} is older than the owner's {context.Term}: it has forgotten", effects);
                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.NoRecord }:
                context.RetryLater($"it has no record, and the owner has {context.Term}: it has forgotten", effects);
                break;
            case ArbiterAnswer.Granted { Record: var record } when record.InSync(context.Self) && _settled && _usable:
                context.Learn(record, effects);
                AskSolo(ArbiterClaim.InSync, effects);
                break;
            case ArbiterAnswer.Granted { Record: var record } when record.InSync(context.Self) && !_settled:
                context.RetryLater("the image is being loaded", effects);
                break;
            case ArbiterAnswer.Granted granted:
                context.Learn(granted.Record, effects);
                context.DiscardAndPark("the owner is lost before this host was in the set", effects);
                break;
            case ArbiterAnswer.Refused refused:
                context.DiscardAndPark($"{refused.Reason}", effects);
                break;
            case ArbiterAnswer.Unknown unknown:
                context.RetryLater(unknown.Reason, effects);
                break;
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    private void OnPeerSeen(Instant now, PeerSeen seen, EffectList effects)
    {
        if (context.IsRestartOfPeer(seen))
        {
            LosePrimary(context.Peer!.Value, LossEvidence.Restarted, effects);
        }
        else if (seen.Term > context.Term)
        {
            context.Emit(EventCode.HigherTermSeen, $"{seen.Peer} {seen.Term}", effects);
            context.Read(effects);
        }
    }

    private void OnPeerSeenHeld(Instant now, PeerSeen seen, EffectList effects)
    {
        if (context.IsRestartOfPeer(seen) && !context.ProtectionPaused && !context.WaitsForOperator)
        {
            AskSolo(ArbiterClaim.InSync, effects); // the primary that might have asked first is dead
        }
    }

    private void OnPeerLostHeld(Instant now, PeerLost lost, EffectList effects)
    {
        if (lost.Peer == context.Peer && !context.ProtectionPaused && context.GatewayReachable
            && !context.WaitsForOperator)
        {
            AskSolo(ArbiterClaim.InSync, effects);
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
                context.Learn(granted.Record, effects);
                context.Term = granted.Record.Term;
                context.Enter(FailoverState.Promoting, "the checkpoint in flight");
                Promote(effects);
                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.OperatorNeeded } when _byOperator:
                // There is no arbiter, and who decides without one has done so by his command.
                AskSolo(ArbiterClaim.OperatorForced, effects);
                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.OperatorNeeded }:
                context.HoldForOperator(FailoverState.SecondaryHeld, effects);
                break;
            case ArbiterAnswer.Refused { Current: { } current } when current.InSync(context.Self) && current.Term > context.Record!.Term:
                context.Learn(current, effects); // the pair's newer record had not reached this host
                AskSolo(ArbiterClaim.InSync, effects, _byOperator);
                break;
            case ArbiterAnswer.Refused { Current: { } current } when current.Term >= context.Record!.Term:
                context.Emit(EventCode.TermRefused, $"{current}", effects);
                context.Evicted(current, effects);
                break;
            default:
                context.OnOtherAnswer(answered.Answer, effects);
                break;
        }
    }

    private void OnSettledPromoting(Instant now, SecondarySettled settled, EffectList effects)
    {
        Note(settled);
        Promote(effects);
    }

    private void Promote(EffectList effects)
    {
        if (!_settled)
        {
            return;
        }

        ArbiterRecord record = context.Record!;
        context.Epoch = new Epoch(Epoch.Max(context.Epoch, _settledEpoch).Value + EpochGap);
        if (!_usable)
        {
            // The committed image could not be loaded and the primary is gone: what is left is this host's disk.
            context.Emit(EventCode.LoadFailed, "booting from disk", effects);
            context.Enter(FailoverState.Booting, "the machine");
            effects.Add(new Effect.MergeDiskBuffer(_settledEpoch));
            effects.Add(new Effect.BootGuest(context.Epoch));
            return;
        }

        HostIdentity? former = context.Peer;
        context.OwnAlone(record, effects);
        effects.Add(new Effect.AttachNetwork(record.Term, Announce: true));
        effects.Add(new Effect.MergeDiskBuffer(_settledEpoch));
        solo.EnterSolo(merging: true, effects);
        effects.Add(new Effect.RunHook("on-takeover", record.Term, $"{_settledEpoch}"));
        context.Emit(EventCode.TookOver, $"from {_settledEpoch}", effects);
        context.Desk.Finish(CommandResult.Done, $"took over in {record.Term}", effects);
        if (former is { } peer)
        {
            context.Send(peer.Host, new PairDissolved(context.Self, record.Term, record), effects);
        }
    }

    private void OnGuestEnded(Instant now, GuestEnded ended, EffectList effects) =>
        context.Send(context.Peer!.Value.Host,
            new CheckpointWanted(context.Self, context.Term, CheckpointReason.GuestEvent), effects);

    /// <summary>Before the replica is settled, an image that is loaded undoes the end.</summary>
    private void NoteEnd(GuestEnd end) => context.EndedMeanwhile = _settled ? end : context.EndedMeanwhile;

    private void OnEndNotice(Instant now, GuestEndNotice notice, EffectList effects)
    {
        context.Send(notice.From.Host, new GuestEndAgreed(context.Self, context.Term), effects);
        context.Emit(EventCode.GuestEnded, $"{notice.End}", effects);
        context.DiscardAndPark("the guest has ended", effects);
    }

    private void OnSwitchoverGranted(Instant now, SwitchoverGranted granted, EffectList effects)
    {
        ArbiterRecord record = granted.Record;
        if (granted.From != context.Peer || record.Term != context.Term.Next || record.Primary != context.Self)
        {
            return; // not from the primary of this pair
        }

        context.Learn(record, effects);
        context.Term = record.Term;
        context.Epoch = Epoch.Max(context.Epoch, granted.Epoch);
        context.Fence.Begin(granted.From, record.Term);
        context.Tell(CoreName.SecondaryCheckpoint, new EndSecondarySession(KeepGuest: true, "roles exchanged"), effects);
        context.Connect(granted.From.Host, record.Term, asPrimary: true, effects);
        context.SetDisk(DiskRole.Primary, effects);
        effects.Add(new Effect.OpenPairGate(record, granted.Epoch));
        effects.Add(new Effect.AttachNetwork(record.Term, Announce: true));
        context.Tell(CoreName.PrimaryCheckpoint,
            new StartPrimarySession(granted.From, record.Term, 0, granted.Epoch, InSync: true), effects);
        context.Enter(FailoverState.Primary);
        context.Emit(EventCode.SwitchoverDone, $"{record}", effects);
    }

    private void OnTimer(Instant now, TimerFired fired, EffectList effects)
    {
        if (fired.Name == TimerName.ArbiterRetry && context.State is FailoverState.SecondaryAsking or FailoverState.JoinTargetLost)
        {
            context.AskAgain(effects);
        }
        else if (fired.Name == TimerName.IsolationHandicap && context.State == FailoverState.SecondaryHeld)
        {
            AskSolo(ArbiterClaim.InSync, effects);
        }
        else if (fired.Name == TimerName.JoinOffer && context.State == FailoverState.JoinTarget)
        {
            // The owner may have given the attempt up before any link to this host was open, and nothing else would
            // tell. An owner that is still at it ignores the offer; one that is alone invites again.
            context.Offer(effects);
        }
    }

    private void BeginSettling(EffectList effects)
    {
        _settled = false;
        context.Tell(CoreName.SecondaryCheckpoint, new SettleSecondary(), effects);
    }

    private void Note(SecondarySettled settled) => (_settled, _usable, _settledEpoch) = (true, settled.Usable, settled.Epoch);
}
