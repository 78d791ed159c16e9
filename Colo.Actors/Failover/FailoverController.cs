using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// Who owns the VM, seen from one host: design section 8 and the fault matrix of the reliability page.
/// <code>
/// Starting -> ColdStarting -> Booting -> Solo             Starting -> Parked -> JoinTarget -> Secondary
/// Solo -> SoloFilling -> Joining -> AskingPair -> Primary     Secondary -> SecondaryAsking -> Promoting -> Solo
/// Primary -> PrimaryAsking -> Solo                        Primary -> SwitchoverOut -> SwitchoverAsking -> Secondary
/// any -> Parked when the arbiter has gone on without this host
/// </code>
/// Promises: solo only by the arbiter's yes (S2, S4); "unknown" holds everything and asks again; solo is given up
/// before the pair is asked for, and comes back only after a certain no (S1); a former owner obeys nobody but the
/// record (S3); a repeated command acts once (L6). When the peer is silent the heartbeat monitor says so; this core has
/// no clock of its own for that. The phases are in classes of their own; the table that they fill together is complete
/// for every state and message.
/// </summary>
public sealed class FailoverController : IProtocolCore
{
    private readonly FailoverContext _context;
    private readonly TransitionTable<FailoverState> _table;
    private readonly PrimaryPhase _primary;

    public FailoverController(VmId vm, HostIdentity self, FailoverOptions options)
    {
        _context = new FailoverContext(vm, self, options);
        _table = new TransitionTable<FailoverState>(typeof(IFailoverInput));
        SoloPhase solo = new(_context);
        StartPhase start = new(_context, solo);
        _primary = new PrimaryPhase(_context, solo);
        SecondaryPhase secondary = new(_context, solo);
        start.Register(_table);
        solo.Register(_table);
        _primary.Register(_table);
        secondary.Register(_table);
        new CommandPhase(_context, start, solo, _primary, secondary).Register(_table);
        IgnoreTheRest(_table);
    }

    public FailoverState State => _context.State;

    public string StateName => _context.State.ToString();

    public Arbiter.ArbiterRecord? Record => _context.Record;

    public Term Term => _context.Term;

    public Term LastInStep => _context.LastInStep;

    public HostIdentity? Peer => _context.Peer;

    public long Refused => _context.Fence.Refused;

    public TransitionTable<FailoverState> Table => _table;

    /// <summary>The honest state line (S15): Protected is said only after the arbiter's pair is known.</summary>
    public VmStatus Status(Epoch epoch) => new(RoleOf(State), ProtectionOf(State), Term, epoch, Peer, StateName, _context.WaitsFor);

    public void Decide(Instant now, Message message, EffectList effects)
    {
        if (message is PeerMessage peer && NeedsFence(peer) && !_context.Fence.Admit(peer, effects))
        {
            return;
        }

        if (message is OperatorCommand command && !Accept(command, effects))
        {
            return;
        }

        if ((message is ArbiterAnswered answered && !_context.IsCurrent(answered))
            || (message is TimerFired fired && !_context.IsCurrent(fired))
            || (message is ReplicationLinkLost lost && lost.Session != Term.Zero && lost.Session != _context.Session))
        {
            return; // an answer to a question, a timer of a state, or a link of a session, that is past
        }

        FailoverState before = State;
        _table.Dispatch(before, now, message, effects);
        if (State != before)
        {
            ActOnWhatCameMeanwhile(now, before, effects);
        }
    }

    /// <summary>What is told once, and could not be acted on in the state in which it came.</summary>
    private void ActOnWhatCameMeanwhile(Instant now, FailoverState before, EffectList effects)
    {
        if (_context.EndedMeanwhile is { } end
            && State is FailoverState.Solo or FailoverState.Primary or FailoverState.Secondary)
        {
            _context.EndedMeanwhile = null;
            _table.Dispatch(State, now, new GuestEnded(end), effects);
        }

        // Not after a switchover: the next one waits for its timer, and two hosts that are both cut off, while a third
        // is not, would pass the guest to and fro.
        if (before == FailoverState.AskingPair)
        {
            _primary.HandOverIfCutOff(effects);
        }
    }

    private bool Accept(OperatorCommand command, EffectList effects)
    {
        if (!_context.Desk.Accept(command, effects))
        {
            return false;
        }

        if (command.ExpectedTerm is { } expected && expected != _context.Term)
        {
            _context.Desk.Answer(
                command.Id, CommandResult.Refused, $"the VM is in {_context.Term} on this host, not in {expected}; look again", effects);
            return false;
        }

        return true;
    }

    /// <summary>
    /// Offers and invitations begin a session, and a dissolution names the record that ends one; these compare terms
    /// themselves. Everything else belongs to the session with the present peer.
    /// </summary>
    private static bool NeedsFence(PeerMessage message) =>
        message is not (JoinOffer or JoinInvite or PairDissolved or PairEstablished or SwitchoverGranted);

    private static VmRole RoleOf(FailoverState state) => state switch
    {
        FailoverState.Solo or FailoverState.SoloFilling or FailoverState.Booting or FailoverState.Promoting => VmRole.Solo,
        FailoverState.Primary or FailoverState.PrimaryAsking or FailoverState.PrimaryHeld or FailoverState.SwitchoverOut
            or FailoverState.SwitchoverAsking or FailoverState.Joining or FailoverState.AskingPair or FailoverState.Ending
            => VmRole.Primary,
        FailoverState.Secondary or FailoverState.SecondaryAsking or FailoverState.SecondaryHeld => VmRole.Secondary,
        FailoverState.JoinTarget or FailoverState.JoinTargetLost => VmRole.Joining,
        FailoverState.Starting or FailoverState.ColdStarting or FailoverState.Parked or FailoverState.Off => VmRole.None,
        _ => VmRole.None,
    };

    private static ProtectionState ProtectionOf(FailoverState state) => state switch
    {
        FailoverState.Primary or FailoverState.Secondary or FailoverState.SwitchoverOut or FailoverState.SwitchoverAsking
            => ProtectionState.Protected,
        FailoverState.SoloFilling or FailoverState.Joining or FailoverState.AskingPair or FailoverState.JoinTarget
            => ProtectionState.Protecting,
        FailoverState.Solo or FailoverState.Booting or FailoverState.Promoting or FailoverState.ColdStarting
            => ProtectionState.Unprotected,
        FailoverState.PrimaryAsking or FailoverState.PrimaryHeld or FailoverState.SecondaryAsking or FailoverState.SecondaryHeld
            or FailoverState.JoinTargetLost => ProtectionState.Holding,
        FailoverState.Ending or FailoverState.Off => ProtectionState.Off,
        FailoverState.Starting or FailoverState.Parked => ProtectionState.Parked,
        _ => ProtectionState.Parked,
    };

    private static void IgnoreTheRest(TransitionTable<FailoverState> table) => table
        .IgnoreElsewhere<NodeStarted>("the process starts once")
        .IgnoreElsewhere<ArbiterAnswered>("nothing was asked in this state; a read on suspicion is answered by the states that read")
        .IgnoreElsewhere<PeerLost>("no session with this peer: its loss changes nothing here")
        .IgnoreElsewhere<PeerSeen>("the record decides in this state, not who is heard")
        .IgnoreElsewhere<GatewayChanged>("no role to hand over")
        .IgnoreElsewhere<ReplicationLinkLost>("no session with this peer, or its end is being decided already")
        .IgnoreElsewhere<GuestEnded>("the guest is not this host's to end, or is ended already")
        .IgnoreElsewhere<MachineFailed>("there is no guest here, or it is being given up already")
        .IgnoreElsewhere<DiskMerged>("the merge belongs to a takeover that is past")
        .IgnoreElsewhere<GuestBooted>("the boot belongs to an ownership that is past")
        .IgnoreElsewhere<JoinerReady>("the joining attempt is past")
        .IgnoreElsewhere<JoinCheckpointLoaded>("the joining attempt is past")
        .IgnoreElsewhere<SwitchoverCheckpointLoaded>("the switchover is past")
        .IgnoreElsewhere<GuestHandedOver>("the switchover is past, or was cancelled")
        .IgnoreElsewhere<CheckpointStalled>("the session is past")
        .IgnoreElsewhere<SecondarySettled>("the replica was thrown away meanwhile")
        .IgnoreElsewhere<SecondaryFailed>("the replica was thrown away meanwhile")
        .IgnoreElsewhere<ResyncConverged>("the joining attempt is past")
        .IgnoreElsewhere<ResyncFailed>("the joining attempt is past")
        .IgnoreElsewhere<JoinOffer>("only a settled solo owner takes a joiner; the offer is repeated")
        .IgnoreElsewhere<JoinInvite>("only a parked host joins")
        .IgnoreElsewhere<PairEstablished>("not the joiner of this attempt any more")
        .IgnoreElsewhere<PairConfirmed>("information only; the fence has noted the term")
        .IgnoreElsewhere<PairDissolved>("no replica here that it could end")
        .IgnoreElsewhere<LeaveNotice>("no session with this peer, or its end is being decided already")
        .IgnoreElsewhere<SwitchoverGranted>("not the secondary of this pair")
        .IgnoreElsewhere<SwitchoverWanted>("not the primary, or a change is under way already")
        .IgnoreElsewhere<GuestEndNotice>("not the secondary of this pair")
        .IgnoreElsewhere<GuestEndAgreed>("the end is agreed already")
        .IgnoreElsewhere<TimerFired>("no timer of this state");
}
