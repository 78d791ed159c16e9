using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// The operator's commands, in every state. What cannot be done now is refused with the state's name; what needs the
/// peer or the arbiter is answered when they have answered (L6).
/// </summary>
internal sealed class CommandPhase(
    FailoverContext context, StartPhase start, SoloPhase solo, PrimaryPhase primary, SecondaryPhase secondary)
{
    public void Register(TransitionTable<FailoverState> table)
    {
        FailoverState[] all = Enum.GetValues<FailoverState>();
        table
            .On<ProtectCommand>(OnProtect, all)
            .On<UnprotectCommand>(OnUnprotect, all)
            .On<FailoverCommand>(OnFailover, all)
            .On<SwitchoverCommand>(OnSwitchover, all)
            .On<CheckpointCommand>(OnCheckpoint, all)
            .On<PauseProtectionCommand>(OnPause, all)
            .On<ResumeProtectionCommand>(OnResume, all)
            .On<DrainCommand>(OnDrain, all)
            .On<StartCommand>(OnStart, all)
            .On<StopCommand>(OnStop, all)
            .On<SetModeCommand>(OnSetMode, all)
            .On<SetCandidatesCommand>(OnSetCandidates, all)
            .On<JoinersRanked>((_, ranked, _) => context.JoinerOrder = ranked.Order, all);
    }

    private void OnProtect(Instant now, ProtectCommand command, EffectList effects)
    {
        if (command.On is { } wanted && WhyNot(wanted) is { } reason)
        {
            Refuse(command, reason, effects);
            return;
        }

        context.ProtectionWanted = true;
        context.Draining = false;
        context.WantedJoiner = command.On ?? context.WantedJoiner;
        solo.ForgetFailures();
        HostIdentity? other = command.On is { } host && context.Peer is { } peer && peer.Host != host ? peer : null;
        switch (context.State)
        {
            case FailoverState.Primary when other is not null:
                primary.LoseSecondary(other.Value, LossEvidence.Operator, effects);
                Done(command, $"{other.Value.Host} is given up, {command.On} is filled next", effects);
                break;
            case FailoverState.SoloFilling or FailoverState.Joining when other is not null:
                solo.AbortJoin(other.Value, $"{command.On} is wanted", effects);
                Done(command, $"{command.On} is filled next", effects);
                break;
            default:
                Done(
                    command, command.On is null ? "wanted; the next offer of a host is taken" : $"on {command.On}", effects);
                break;
        }
    }

    /// <summary>Why a host cannot have the second copy; null when it can.</summary>
    private string? WhyNot(HostId wanted) =>
        !context.Candidates.Contains(wanted)
            ? $"the VM may be on {string.Join(", ", context.Candidates)}, not on {wanted}; `colo vm place` changes that"
        : wanted == context.Self.Host ? $"{wanted} has the first copy: a pair is never on one host"
        : context.State is FailoverState.Secondary ? "this host has the second copy; ask the owner"
        : context.Peer?.Host != wanted && context.JoinerOrder.Count > 0 && !context.JoinerOrder.Contains(wanted)
            ? $"{wanted} is not heard, is drained or has not the memory"
        : null;

    private void OnUnprotect(Instant now, UnprotectCommand command, EffectList effects)
    {
        context.ProtectionWanted = false;
        switch (context.State)
        {
            case FailoverState.Primary:
                primary.LoseSecondary(context.Peer!.Value, LossEvidence.Operator, effects);
                context.Desk.Wait(command.Id);
                break;
            case FailoverState.SoloFilling or FailoverState.Joining:
                solo.AbortJoin(context.Peer!.Value, "unprotect", effects);
                Done(command, "alone", effects);
                break;
            default:
                Done(command, $"noted in state {context.State}", effects);
                break;
        }
    }

    private void OnFailover(Instant now, FailoverCommand command, EffectList effects)
    {
        switch (context.State)
        {
            case FailoverState.Secondary:
                secondary.LosePrimary(context.Peer!.Value, LossEvidence.Operator, effects);
                context.Desk.Wait(command.Id);
                break;
            case FailoverState.SecondaryHeld:
                secondary.AskSolo(ClaimOfOperator(), effects);
                context.Desk.Wait(command.Id);
                break;
            case FailoverState.Primary:
                primary.LoseSecondary(context.Peer!.Value, LossEvidence.Operator, effects);
                context.Desk.Wait(command.Id);
                break;
            case FailoverState.PrimaryHeld:
                primary.AskSolo(ClaimOfOperator(), effects);
                context.Desk.Wait(command.Id);
                break;
            case FailoverState.Ending when context.WaitsForOperator:
                primary.ForceOff(effects);
                context.Desk.Wait(command.Id);
                break;
            case FailoverState.Parked when command.AcceptDataLoss:
                context.StopTimer(TimerName.JoinOffer, effects);
                context.Desk.Wait(command.Id);
                start.ColdStart(ArbiterClaim.OperatorForced, effects);
                break;
            case FailoverState.Parked:
                Refuse(command, "this host has only an old disk; it needs --accept-data-loss", effects);
                break;
            default:
                Refuse(command, $"not possible in state {context.State}", effects);
                break;
        }
    }

    /// <summary>The arbiter "none" says yes only to the operator; a real one still checks the set.</summary>
    private ArbiterClaim ClaimOfOperator() =>
        context.WaitsForOperator ? ArbiterClaim.OperatorForced : ArbiterClaim.InSync;

    private void OnSwitchover(Instant now, SwitchoverCommand command, EffectList effects)
    {
        if (context.State == FailoverState.Primary)
        {
            context.Desk.Wait(command.Id);
            primary.BeginSwitchover("operator", effects);
        }
        else if (context.State == FailoverState.Secondary)
        {
            context.Send(context.Peer!.Value.Host, new SwitchoverWanted(context.Self, context.Term, "operator"), effects);
            Done(command, "the primary is asked", effects);
        }
        else
        {
            Refuse(command, $"only a protected VM can change hosts; the state is {context.State}", effects);
        }
    }

    private void OnCheckpoint(Instant now, CheckpointCommand command, EffectList effects)
    {
        if (context.State == FailoverState.Primary)
        {
            context.Tell(CoreName.PrimaryCheckpoint, new CheckpointTrigger(CheckpointReason.Operator), effects);
            Done(command, "asked", effects);
        }
        else
        {
            Refuse(command, $"checkpoints are taken by the primary of a pair; the state is {context.State}", effects);
        }
    }

    private void OnPause(Instant now, PauseProtectionCommand command, EffectList effects)
    {
        context.ProtectionPaused = true;
        context.Emit(EventCode.ProtectionPaused, "", effects);
        Done(command, "no automatic change of roles on this host", effects);
    }

    private void OnResume(Instant now, ResumeProtectionCommand command, EffectList effects)
    {
        context.ProtectionPaused = false;
        context.Emit(EventCode.ProtectionResumed, "", effects);
        Done(command, "automatic", effects);
        primary.HandOverIfCutOff(effects);
        if (context.State == FailoverState.PrimaryHeld)
        {
            primary.AskSolo(ArbiterClaim.InSync, effects);
        }
        else if (context.State == FailoverState.SecondaryHeld)
        {
            secondary.AskSolo(ArbiterClaim.InSync, effects);
        }
    }

    private void OnDrain(Instant now, DrainCommand command, EffectList effects)
    {
        switch (context.State)
        {
            case FailoverState.Primary:
                context.Draining = true;
                context.Desk.Wait(command.Id);
                context.Emit(EventCode.Draining, "", effects);
                primary.BeginSwitchover("drain", effects);
                break;
            case FailoverState.Secondary or FailoverState.JoinTarget:
                context.Draining = true;
                context.Emit(EventCode.Draining, "", effects);
                secondary.Leave("drain", effects);
                Done(command, "left", effects);
                break;
            case FailoverState.Parked or FailoverState.Off or FailoverState.Starting:
                context.Draining = true;
                Done(command, "nothing runs here", effects);
                break;
            default:
                Refuse(command, $"the guest has no second copy; the state is {context.State}", effects);
                break;
        }
    }

    private void OnStart(Instant now, StartCommand command, EffectList effects)
    {
        if (context.State == FailoverState.Off)
        {
            context.Desk.Wait(command.Id);
            bool sameLife = context.Record is { } record && record.InSync(context.Self);
            start.ColdStart(sameLife ? ArbiterClaim.InSync : ArbiterClaim.ColdStart, effects);
        }
        else if (context.State == FailoverState.Parked && context.Record is null)
        {
            context.StopTimer(TimerName.JoinOffer, effects);
            context.Desk.Wait(command.Id);
            start.ColdStart(ArbiterClaim.InSync, effects);
        }
        else
        {
            Refuse(command, $"not off; the state is {context.State}", effects);
        }
    }

    private void OnStop(Instant now, StopCommand command, EffectList effects)
    {
        switch (context.State)
        {
            case FailoverState.Primary:
                effects.Add(new Effect.PauseGuest());
                primary.EndGuest(GuestEnd.Shutdown, effects);
                context.Desk.Wait(command.Id);
                break;
            case FailoverState.Solo:
                effects.Add(new Effect.PauseGuest());
                context.AskSolo(ArbiterClaim.InSync, effects, poweredOff: true);
                context.Enter(FailoverState.Ending, "the arbiter");
                context.Desk.Wait(command.Id);
                break;
            case FailoverState.Off:
                Done(command, "off already", effects);
                break;
            default:
                Refuse(command, $"not possible in state {context.State}; ask the owner", effects);
                break;
        }
    }

    private void OnSetMode(Instant now, SetModeCommand command, EffectList effects)
    {
        context.Tell(CoreName.PrimaryCheckpoint, new SetReplicationMode(command.Mode), effects);
        Done(command, $"{command.Mode}", effects);
    }

    private void OnSetCandidates(Instant now, SetCandidatesCommand command, EffectList effects)
    {
        context.Candidates = command.Candidates;
        string text = string.Join(", ", command.Candidates);
        context.Emit(EventCode.PlacementChanged, text, effects);
        Done(command, text, effects);
    }

    private void Done(OperatorCommand command, string text, EffectList effects) =>
        context.Desk.Answer(command.Id, CommandResult.Done, text, effects);

    private void Refuse(OperatorCommand command, string text, EffectList effects) =>
        context.Desk.Answer(command.Id, CommandResult.Refused, text, effects);
}
