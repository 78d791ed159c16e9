using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// From the start of the process to a role: read the record, boot from the disk where this host has the current one,
/// else park and offer to join. After the loss of every memory the record says who has the data: a solo owner's host
/// boots by itself; of a pair the primary's host does, but only when the other host is heard without a guest, because a
/// living secondary holds more than any disk. A host that does not remember the disk that the record gives it has lost
/// it, and boots nothing unless the operator says so.
/// </summary>
internal sealed class StartPhase(FailoverContext context, SoloPhase solo)
{
    /// <summary>Epochs after a cold start begin above anything that an earlier life can have used.</summary>
    private const long EpochsPerTerm = 1_000_000;

    /// <summary>The pair that arbiter "none" lets only the operator boot from.</summary>
    private ArbiterRecord? _forOperator;

    public void Register(TransitionTable<FailoverState> table) => table
        .On<NodeStarted>((_, _, effects) => Start(effects), FailoverState.Starting)
        .On<ArbiterAnswered>(OnRecordRead, FailoverState.Starting)
        .On<ArbiterAnswered>(OnColdAnswer, FailoverState.ColdStarting)
        .On<ArbiterAnswered>(OnParkedRead, FailoverState.Parked)
        .On<GuestBooted>(OnBooted, FailoverState.Booting)
        .On<MachineFailed>((now, failed, effects) => OnBooted(now, new GuestBooted(false, failed.Reason), effects),
            FailoverState.Booting)
        .On<PeerSeen>(OnPeerSeenParked, FailoverState.Parked)
        .On<JoinInvite>(OnInvite, FailoverState.Parked)
        .On<PairEstablished>(OnPairedTooLate, FailoverState.Parked)
        .On<PairDissolved>(OnDissolvedParked, FailoverState.Parked)
        .On<PairDissolved>(OnDissolvedOff, FailoverState.Off)
        .On<TimerFired>((_, fired, effects) => OnTimer(fired, effects), FailoverState.Starting, FailoverState.ColdStarting,
            FailoverState.Parked);

    /// <summary>Takes the VM over from this host's disk.</summary>
    public void ColdStart(ArbiterClaim claim, EffectList effects)
    {
        context.AskSolo(context.Record is null ? ArbiterClaim.InSync : claim, effects);
        context.Enter(FailoverState.ColdStarting, "the arbiter");
    }

    private void Start(EffectList effects)
    {
        context.Emit(EventCode.NodeStarted, context.Self.ToString(), effects);
        effects.Add(new Effect.CloseGate("starting"));
        context.Read(effects);
    }

    private void OnRecordRead(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        switch (answered.Answer)
        {
            case ArbiterAnswer.Granted granted:
                Orient(granted.Record, effects);
                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.NoRecord } when context.LastInStep > Term.Zero:
                // A second life of the VM, from a disk that may be old, is not this host's choice.
                string forgotten = $"the arbiter has no record of the VM that has been here in {context.LastInStep}";
                context.Emit(EventCode.ColdStartWaits, forgotten, effects);
                context.Park(forgotten, effects);
                break;
            case ArbiterAnswer.Refused when context.Options.CreateHere:
                ColdStart(ArbiterClaim.InSync, effects);
                break;
            case ArbiterAnswer.Refused:
                context.Park("the VM has no record yet", effects);
                break;
            case ArbiterAnswer.Unknown unknown:
                context.RetryLater(unknown.Reason, effects);
                break;
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    private void Orient(ArbiterRecord record, EffectList effects)
    {
        context.Learn(record, effects);
        if (HasForgotten(record))
        {
            // Whoever had the VM in the term that is lost has the newest disk, and that need not be this host.
            string forgotten =
                $"the arbiter's record {record} is older than {context.LastInStep}, in which the VM was here";
            context.Emit(EventCode.ColdStartWaits, forgotten, effects);
            context.Park(forgotten, effects);
            return;
        }

        bool diskIsHere = record.Primary.Host == context.Self.Host;
        if (diskIsHere && record.PoweredOff)
        {
            context.Enter(FailoverState.Off, "the operator's start");
            context.Emit(EventCode.GuestEnded, "the record says off", effects);
        }
        else if (HasLostItsDisk(record))
        {
            string lost =
                $"by the record {record} the VM's disk is here, but this host knows nothing of it: it was lost";
            context.Emit(EventCode.ColdStartWaits, lost, effects);
            context.Park(lost, effects);
        }
        else if (diskIsHere && record.Mode == ArbiterMode.Solo)
        {
            // The same life has its own record when the VM was removed here and made again.
            ColdStart(record.InSync(context.Self) ? ArbiterClaim.InSync : ArbiterClaim.ColdStart, effects);
        }
        else
        {
            string reason = diskIsHere ? "the former secondary may hold the guest" : "another host has the data";
            if (diskIsHere)
            {
                context.Emit(EventCode.ColdStartWaits, reason, effects);
            }

            context.Park(reason, effects);
        }
    }

    private void OnColdAnswer(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        switch (answered.Answer)
        {
            case ArbiterAnswer.Granted granted when granted.Record.IsSoloOf(context.Self):
                context.Learn(granted.Record, effects);
                context.Term = granted.Record.Term;
                context.Epoch = Epoch.Max(context.Epoch, new Epoch(context.Term.Value * EpochsPerTerm));
                context.Enter(FailoverState.Booting, "the machine");
                context.Emit(EventCode.GuestBooting, $"{granted.Record}", effects);
                effects.Add(new Effect.BootGuest(context.Epoch));
                break;
            case ArbiterAnswer.Granted granted:
                Orient(granted.Record, effects);
                break;
            case ArbiterAnswer.Refused { Reason: ArbiterRefusal.OperatorNeeded, Current: { } current }:
                _forOperator = current;
                context.Learn(current, effects);
                context.Desk.Finish(CommandResult.Refused, "there is no arbiter", effects);
                context.Emit(EventCode.HoldingForOperator, "there is no arbiter", effects);
                context.Park("the operator: there is no arbiter", effects);
                break;
            case ArbiterAnswer.Refused { Current: { } current } refused when current == context.Record:
                // Nothing that this host did not know: asked at once, it would be refused again, and so on.
                context.Desk.Finish(CommandResult.Refused, $"{refused.Reason}: the arbiter's record is {current}", effects);
                context.RetryLater($"{refused.Reason} by {current}", effects);
                break;
            case ArbiterAnswer.Refused { Current: { } current }:
                context.Emit(EventCode.TermRefused, $"{current}", effects);
                context.Desk.Finish(CommandResult.Refused, $"the arbiter's record is {current}", effects);
                Orient(current, effects);
                break;
            case ArbiterAnswer.Refused refused:
                context.Desk.Finish(CommandResult.Refused, $"{refused.Reason}", effects);
                context.Park($"{refused.Reason}", effects);
                break;
            case ArbiterAnswer.Unknown unknown:
                context.RetryLater(unknown.Reason, effects);
                break;
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    private void OnBooted(Instant now, GuestBooted booted, EffectList effects)
    {
        if (!booted.Success)
        {
            context.Emit(EventCode.GuestBootFailed, booted.Reason, effects);
            context.Desk.Finish(CommandResult.Failed, booted.Reason, effects);
            context.Enter(FailoverState.Off, "the operator: the guest does not boot");
            return;
        }

        context.OwnAlone(context.Record!, effects);
        effects.Add(new Effect.AttachNetwork(context.Term, Announce: true));
        solo.EnterSolo(merging: false, effects);
        context.Emit(EventCode.GuestRunning, $"{context.Record}", effects);
        context.Desk.Finish(CommandResult.Done, "running", effects);
    }

    private void OnPeerSeenParked(Instant now, PeerSeen seen, EffectList effects)
    {
        if (context.Record is not { } record || record.Primary.Host != context.Self.Host)
        {
            return;
        }

        // A term above the record's: it is to be read again, or the arbiter has forgotten it.
        bool wasItsSecondary = record.Secondary is { } secondary && secondary.Host == seen.Peer.Host;
        if (wasItsSecondary && !seen.HoldsGuest && seen.Term == record.Term && !HasForgotten(record)
            && !HasLostItsDisk(record) && !context.ProtectionPaused && record != _forOperator)
        {
            // Both memories are gone, and this host was the primary: its disk has everything that a client was told.
            StartAgain(record, effects);
        }
    }

    private void OnInvite(Instant now, JoinInvite invite, EffectList effects)
    {
        if (invite.Term < (context.Record?.Term ?? Term.Zero) || !context.ProtectionWanted || context.Draining)
        {
            return; // an owner of the past, or not wanted; it gives the attempt up by its own time limit
        }

        context.StopTimer(TimerName.JoinOffer, effects);
        context.BecomeTarget(invite, effects);
    }

    private void OnPairedTooLate(Instant now, PairEstablished paired, EffectList effects)
    {
        if (paired.Record.InSync(context.Self))
        {
            // The owner's question was answered after this host had given up: it must not count on us.
            context.Send(paired.From.Host, new LeaveNotice(context.Self, paired.Term, "gave the attempt up"), effects);
        }
    }

    private void OnDissolvedParked(Instant now, PairDissolved dissolved, EffectList effects)
    {
        if (dissolved.Record.Term > (context.Record?.Term ?? Term.Zero))
        {
            context.Learn(dissolved.Record, effects);
        }
    }

    private void OnDissolvedOff(Instant now, PairDissolved dissolved, EffectList effects)
    {
        if (dissolved.Record.Term > (context.Record?.Term ?? Term.Zero) && !dissolved.Record.InSync(context.Self))
        {
            // The operator has started the guest from another host's disk: there is nothing here to start any more.
            context.Learn(dissolved.Record, effects);
            context.Park($"the VM went on by {dissolved.Record}", effects);
        }
    }

    private void OnParkedRead(Instant now, ArbiterAnswered answered, EffectList effects)
    {
        if (answered.Answer is not ArbiterAnswer.Granted { Record: var record })
        {
            return;
        }

        if (record.Term > (context.Record?.Term ?? Term.Zero))
        {
            context.Learn(record, effects);
        }

        if (record.Mode != ArbiterMode.Solo || record.Primary.Host != context.Self.Host || HasForgotten(record)
            || HasLostItsDisk(record))
        {
            return;
        }

        if (record.PoweredOff)
        {
            // A start found an arbiter that had forgotten. It has its records again, and the operator may repeat it.
            context.StopTimer(TimerName.JoinOffer, effects);
            context.Enter(FailoverState.Off, "the operator's start");
        }
        else
        {
            StartAgain(record, effects); // this host owns the VM and its machine failed: the disk is all there is
        }
    }

    /// <summary>Whether this record is older than what this host remembers: the arbiter has lost its last
    /// writes.</summary>
    private bool HasForgotten(ArbiterRecord record) => record.Term < context.LastInStep;

    /// <summary>
    /// Whether the record gives this host the VM's disk, and the host does not remember to have had it: it came back
    /// with another one, an empty one. In the first term there was nothing to lose but a boot that a crash cut short.
    /// </summary>
    private bool HasLostItsDisk(ArbiterRecord record) =>
        record.Primary.Host == context.Self.Host && record.Term > Term.Zero.Next && context.LastInStep == Term.Zero
        && context.Options.DiskSizeBytes > 0;

    private void StartAgain(ArbiterRecord record, EffectList effects)
    {
        context.StopTimer(TimerName.JoinOffer, effects);
        ColdStart(record.InSync(context.Self) ? ArbiterClaim.InSync : ArbiterClaim.ColdStart, effects);
    }

    private void OnTimer(TimerFired fired, EffectList effects)
    {
        if (fired.Name == TimerName.ArbiterRetry && context.State != FailoverState.Parked)
        {
            context.AskAgain(effects);
        }
        else if (fired.Name == TimerName.MachineRetry && context.State == FailoverState.ColdStarting)
        {
            ColdStart(ArbiterClaim.InSync, effects);
        }
        else if (fired.Name == TimerName.JoinOffer && context.State == FailoverState.Parked)
        {
            context.Read(effects);
            context.Offer(effects);
        }
    }
}
