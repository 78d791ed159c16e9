using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>What the phases of the failover controller share: the record as known, the peer, the question to the
/// arbiter, the flags.</summary>
internal sealed class FailoverContext(VmId vm, HostIdentity self, FailoverOptions options)
{
    private long _request;
    private long _generation;
    private TimeSpan _retry = options.ArbiterRetry;
    private readonly Dictionary<TimerName, long> _timers = [];

    public VmId Vm => vm;

    public HostIdentity Self => self;

    public FailoverOptions Options => options;

    /// <summary>Hosts that may hold this VM; the operator may change them.</summary>
    public IReadOnlyList<HostId> Candidates { get; set; } = options.Candidates;

    public FailoverState State { get; private set; } = FailoverState.Starting;

    /// <summary>The newest record that this host knows; null before the first.</summary>
    public ArbiterRecord? Record { get; set; }

    /// <summary>The term in which this host acts; zero while parked without a record.</summary>
    public Term Term { get; set; } = Term.Zero;

    /// <summary>A lower bound of the epochs that were used for this VM.</summary>
    public Epoch Epoch { get; set; } = Epoch.Zero;

    public HostIdentity? Peer { get; set; }

    /// <summary>Term of the last <see cref="Effect.ConnectReplication"/>.</summary>
    public Term Session { get; private set; } = Term.Zero;

    public PeerFence Fence { get; } = new();

    public CommandDesk Desk { get; } = new();

    /// <summary>Maintenance: no automatic change of roles.</summary>
    public bool ProtectionPaused { get; set; }

    /// <summary>The operator wants one copy only (unprotect), or this host out of the way (drain).</summary>
    public bool ProtectionWanted { get; set; } = true;

    public bool Draining { get; set; }

    /// <summary>Fit joiners, the best one first; empty when nobody has said.</summary>
    public IReadOnlyList<HostId> JoinerOrder { get; set; } = [];

    /// <summary>The operator's choice of a joiner, as long as it offers itself.</summary>
    public HostId? WantedJoiner { get; set; }

    /// <summary>How this host's guest ended while it was being decided whose it is. The machine tells only once;
    /// whoever comes to own the guest, or to be the secondary, acts on it.</summary>
    public GuestEnd? EndedMeanwhile { get; set; }

    public bool GatewayReachable { get; set; } = true;

    public bool PeerReachesGateway { get; set; } = true;

    /// <summary>The proposal whose answer is awaited; null when the question is a read, or there is none.</summary>
    public ArbiterProposal? Proposal { get; private set; }

    /// <summary>The last term in which this host's disk was part of the VM's history.</summary>
    public Term LastInStep { get; private set; } = options.LastInStep;

    public string WaitsFor { get; private set; } = string.Empty;

    /// <summary>There is no arbiter, and only the operator can lead out of this state.</summary>
    public bool WaitsForOperator { get; private set; }

    public void Enter(FailoverState state, string waitsFor = "")
    {
        // Asking and booting too: from then on the record may name this host as the one that has the disk.
        if (state is FailoverState.Primary or FailoverState.Secondary or FailoverState.Solo or FailoverState.Booting
            or FailoverState.SecondaryAsking)
        {
            LastInStep = Term;
        }
        else if (state is FailoverState.Parked or FailoverState.ColdStarting or FailoverState.Booting
            or FailoverState.JoinTarget or FailoverState.Off)
        {
            EndedMeanwhile = null; // that guest is gone
        }

        State = state;
        WaitsFor = waitsFor;
        WaitsForOperator = false;
    }

    /// <summary>After <see cref="ArbiterRefusal.OperatorNeeded"/>; asking again would bring the same answer.</summary>
    public void HoldForOperator(FailoverState state, EffectList effects)
    {
        const string why = "there is no arbiter";
        Enter(state, $"the operator: {why}");
        WaitsForOperator = true;
        Emit(EventCode.HoldingForOperator, why, effects);
        Desk.Finish(
            CommandResult.Failed, $"{why}: `failover` on the host that decides, after the other is certainly off",
            effects);
    }

    // The arbiter.

    public void Read(EffectList effects) => AskNumbered(null, effects);

    public void Ask(ArbiterRecord next, ArbiterClaim claim, EffectList effects) =>
        AskNumbered(new ArbiterProposal(new Term(next.Term.Value - 1), next, self, claim), effects);

    /// <summary>The record after <see cref="Record"/> with this host alone.</summary>
    public ArbiterRecord SoloRecord(bool poweredOff = false) =>
        new(vm, (Record?.Term ?? Term.Zero).Next, self, null, poweredOff);

    public void AskSolo(ArbiterClaim claim, EffectList effects, bool poweredOff = false) =>
        Ask(SoloRecord(poweredOff), claim, effects);

    /// <summary>Is this the answer to the newest question?</summary>
    public bool IsCurrent(ArbiterAnswered answered) => answered.Request == _request;

    /// <summary>After "unknown": the same question once more, later. Everything stays held meanwhile.</summary>
    public void RetryLater(string reason, EffectList effects)
    {
        Emit(EventCode.ArbiterUnknown, reason, effects);
        if (_retry == options.ArbiterRetry && State is FailoverState.PrimaryAsking or FailoverState.SecondaryAsking)
        {
            Emit(EventCode.HoldingForArbiter, reason, effects);
        }

        StartTimer(TimerName.ArbiterRetry, _retry, effects);
        _retry = _retry * 2 < options.ArbiterRetryMax ? _retry * 2 : options.ArbiterRetryMax;
    }

    public void AskAgain(EffectList effects) => AskNumbered(Proposal, effects);

    /// <summary>What any proposal may be answered with, beside yes and the refusals that mean something to one of
    /// them.</summary>
    public void OnOtherAnswer(ArbiterAnswer answer, EffectList effects)
    {
        switch (answer)
        {
            case ArbiterAnswer.Refused { Current: { } current } when current.Term < (Record?.Term ?? Term.Zero):
                RetryLater($"its record {current} is older than {Record}: it has forgotten", effects);
                break;
            case ArbiterAnswer.Refused { Current: { } current }:
                Evicted(current, effects);
                break;
            case ArbiterAnswer.Unknown unknown:
                RetryLater(unknown.Reason, effects);
                break;
            default:
                RetryLater("an answer that fits no question", effects);
                break;
        }
    }

    public void Learn(ArbiterRecord record, EffectList effects)
    {
        Record = record;
        _retry = options.ArbiterRetry;
        effects.Add(new Effect.NoteRecord(record));
    }

    // Timers.

    public void StartTimer(TimerName name, TimeSpan after, EffectList effects)
    {
        _timers[name] = ++_generation;
        effects.Add(new Effect.StartTimer(name, _generation, after));
    }

    public void StopTimer(TimerName name, EffectList effects)
    {
        if (_timers.Remove(name))
        {
            effects.Add(new Effect.StopTimer(name));
        }
    }

    public bool IsCurrent(TimerFired fired) => _timers.TryGetValue(fired.Name, out long generation) && generation == fired.Generation;

    // Talking.

    public void Send(HostId to, PeerMessage message, EffectList effects) => effects.Add(new Effect.Send(to, message));

    public void Tell(CoreName core, Message message, EffectList effects) => effects.Add(new Effect.Tell(core, message));

    public void Emit(EventCode code, string summary, EffectList effects) =>
        effects.Add(new Effect.Emit(new HostEvent(code, Term, Epoch, summary)));

    public void SetDisk(DiskRole role, EffectList effects) =>
        Tell(CoreName.Disk, new DiskRoleChanged(role, role is DiskRole.Primary or DiskRole.Secondary ? Peer : null, Term), effects);

    // Shared ways out.

    /// <summary>Gives up whatever replica or guest is here, and offers to join again.</summary>
    public void DiscardAndPark(string reason, EffectList effects)
    {
        effects.Add(new Effect.CloseGate(reason));
        Tell(CoreName.PrimaryCheckpoint, new EndPrimarySession(Resume: false, reason), effects);
        Tell(CoreName.SecondaryCheckpoint, new EndSecondarySession(KeepGuest: false, reason), effects);
        Tell(CoreName.Resync, new StopResync(reason), effects);
        effects.Add(new Effect.DisconnectReplication(reason));
        effects.Add(new Effect.DetachNetwork());
        effects.Add(new Effect.DiscardGuest(reason));
        SetDisk(DiskRole.Idle, effects);
        Emit(EventCode.ReplicaDiscarded, reason, effects);
        Desk.Finish(CommandResult.Failed, $"this host gave its guest up: {reason}", effects);
        Park(reason, effects);
    }

    public void Park(string reason, EffectList effects)
    {
        Fence.End();
        Peer = null;
        foreach (TimerName name in (TimerName[])[TimerName.ArbiterRetry, TimerName.PeerStep, TimerName.IsolationHandicap])
        {
            StopTimer(name, effects);
        }

        Enter(FailoverState.Parked, reason);
        Emit(EventCode.VmParked, reason, effects);
        Offer(effects);
    }

    /// <summary>Tells every candidate that this host can be the secondary.</summary>
    public void Offer(EffectList effects)
    {
        if (ProtectionWanted && !Draining)
        {
            DiskLineage disk = new(LastInStep, options.DiskKeepsBitmap, options.DiskSizeBytes);
            foreach (HostId candidate in Candidates)
            {
                if (candidate != self.Host)
                {
                    Send(candidate, new JoinOffer(self, Record?.Term ?? Term.Zero, disk), effects);
                }
            }
        }

        StartTimer(TimerName.JoinOffer, options.OfferInterval, effects);
    }

    /// <summary>The arbiter, or a message with its record, says that the VM went on without this host.</summary>
    public void Evicted(ArbiterRecord record, EffectList effects)
    {
        Emit(EventCode.Evicted, $"{record}", effects);
        effects.Add(new Effect.RunHook("on-evicted", record.Term, record.ToString()));
        Learn(record, effects);
        DiscardAndPark($"evicted by {record}", effects);
    }

    public void Connect(HostId peer, Term term, bool asPrimary, EffectList effects)
    {
        Session = term;
        effects.Add(new Effect.ConnectReplication(peer, term, asPrimary));
    }

    /// <summary>The attempt that this host was last the target of.</summary>
    public JoinInvite? Invite { get; private set; }

    /// <summary>Becomes (or becomes again) the target of a joining attempt.</summary>
    public void BecomeTarget(JoinInvite invite, EffectList effects)
    {
        Invite = invite;
        Peer = invite.From;
        Term = invite.Term;
        Fence.Begin(invite.From, invite.Term);
        Enter(FailoverState.JoinTarget, "the owner's state");
        Emit(EventCode.JoinStarted, $"target of {invite.From} {invite.Term}", effects);
        Connect(invite.From.Host, invite.Term, asPrimary: false, effects);
        SetDisk(DiskRole.Secondary, effects);
        Tell(CoreName.SecondaryCheckpoint, new StartSecondarySession(invite.From, invite.Term, invite.Attempt), effects);
        StartTimer(TimerName.JoinOffer, options.OfferInterval, effects);
    }

    /// <summary>The peer's host is heard in another life: the one of the session is dead.</summary>
    public bool IsRestartOfPeer(PeerSeen seen) => Peer is { } peer && seen.Peer.Host == peer.Host && seen.Peer != peer;

    /// <summary>A record that is newer than what this host knows, and that does not contain it, ends every role
    /// here.</summary>
    public void OnDissolved(Instant now, PairDissolved dissolved, EffectList effects)
    {
        if (dissolved.Record.Term > (Record?.Term ?? Term.Zero) && !dissolved.Record.InSync(self))
        {
            Evicted(dissolved.Record, effects);
        }
    }

    /// <summary>
    /// A host of an older term does not know that the VM went on without it: the one message that says so may have been
    /// lost. It may hold a guest and wait for the operator, who would make a second owner of it.
    /// </summary>
    public void TellOfRecord(PeerSeen seen, EffectList effects)
    {
        if (Record is { } record && seen.Term < record.Term && seen.Peer.Host != Peer?.Host
            && !record.InSync(seen.Peer))
        {
            Send(seen.Peer.Host, new PairDissolved(self, record.Term, record), effects);
        }
    }

    /// <summary>Opens the gate of the only owner and starts to record what a later peer will lack.</summary>
    public void OwnAlone(ArbiterRecord record, EffectList effects)
    {
        Invariant.Require(record.IsSoloOf(self), "S4", "only the arbiter's owner runs alone", record, self);
        Learn(record, effects);
        Term = record.Term;
        Peer = null;
        Fence.End();
        StopTimer(TimerName.ArbiterRetry, effects);
        StopTimer(TimerName.IsolationHandicap, effects);
        StopTimer(TimerName.PeerStep, effects);
        effects.Add(new Effect.DisconnectReplication("solo"));
        effects.Add(new Effect.OpenSoloGate(record));
        SetDisk(DiskRole.Solo, effects);
        Emit(EventCode.TermWon, $"{record}", effects);
    }

    private void AskNumbered(ArbiterProposal? proposal, EffectList effects)
    {
        Proposal = proposal;
        effects.Add(new Effect.AskArbiter(++_request, proposal));
    }
}
