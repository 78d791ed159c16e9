using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Actors.Tests.Failover;

/// <summary>An arbiter that has lost its last writes answers from an older record (F34): that is no yes and no certain
/// no.</summary>
public sealed class ForgetfulArbiterTests
{
    private static readonly VmId Vm = new("web");
    private static readonly HostIdentity A = new(new HostId("a"), new Incarnation(1));
    private static readonly HostIdentity B = new(new HostId("b"), new Incarnation(1));

    private readonly VmProtocol _host = new(
        Vm, A, new FailoverOptions { Candidates = [A.Host, B.Host], CreateHere = true }, new CheckpointOptions(),
        new ResyncOptions());

    private readonly Instant _now = new(1_000_000);
    private EffectList _effects = new();
    private long _request;

    [Fact]
    public void An_owner_takes_an_older_record_of_its_own_for_no_certain_answer_about_the_pair()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Granted(new ArbiterRecord(Vm, new Term(3), A with { Incarnation = new(0) }, null)));
        Answer(new ArbiterAnswer.Granted(Asked().Next));
        Say(new GuestBooted(true, ""));
        JoinUntilAsked(new Term(4));
        Answer(new ArbiterAnswer.Refused(new ArbiterRecord(Vm, new Term(2), A, null), ArbiterRefusal.TermMoved));
        Assert.Equal(FailoverState.AskingPair, _host.Failover.State);
        Assert.Equal(new Term(4), _host.Failover.Record!.Term);
        Assert.DoesNotContain(_effects, effect => effect is Effect.OpenSoloGate);
        Assert.Contains("it has forgotten", Unknown(), StringComparison.Ordinal);

        // The record that it knows is a certain no.
        Say(Retry());
        ArbiterRecord own = new(Vm, new Term(4), A, null);
        Answer(new ArbiterAnswer.Refused(own, ArbiterRefusal.NotAllowed));
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
    }

    [Fact]
    public void A_joiner_was_not_put_into_the_set_by_a_record_from_before_the_owners_term()
    {
        LoseOwnerAsCompleteTarget();
        Answer(new ArbiterAnswer.Granted(new ArbiterRecord(Vm, new Term(2), A, B)));
        Assert.Equal(FailoverState.JoinTargetLost, _host.Failover.State);
        Assert.Contains("it has forgotten", Unknown(), StringComparison.Ordinal);
        Assert.DoesNotContain(_effects, effect => effect is Effect.AskArbiter or Effect.DiscardGuest);

        // The records are put back.
        Say(Retry());
        Answer(new ArbiterAnswer.Granted(new ArbiterRecord(Vm, new Term(4), B, A)));
        Assert.Equal(FailoverState.SecondaryAsking, _host.Failover.State);
        Assert.Equal("t5 solo a#1", Asked().Next.ToString());
    }

    [Fact]
    public void A_joiner_keeps_what_it_has_while_the_arbiter_has_no_record_at_all()
    {
        LoseOwnerAsCompleteTarget();
        Answer(new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord));
        Assert.Equal(FailoverState.JoinTargetLost, _host.Failover.State);
        Assert.DoesNotContain(_effects, effect => effect is Effect.DiscardGuest);
    }

    /// <summary>It must not be left parked: a parked host refuses the operator's start.</summary>
    [Fact]
    public void A_start_of_a_guest_that_is_off_can_be_repeated_when_the_arbiter_has_its_records_again()
    {
        ArbiterRecord off = new(Vm, new Term(5), A, null, PoweredOff: true);
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Granted(off));
        Assert.Equal(FailoverState.Off, _host.Failover.State);
        Say(new StartCommand(new CommandId("c-1")));
        Answer(new ArbiterAnswer.Refused(new ArbiterRecord(Vm, new Term(4), A, B), ArbiterRefusal.TermMoved));
        Assert.Equal(FailoverState.Parked, _host.Failover.State);

        Effect.StartTimer offer = _effects.OfType<Effect.StartTimer>().Single(item => item.Name == TimerName.JoinOffer);
        Say(new TimerFired(offer.Name, offer.Generation));
        Answer(new ArbiterAnswer.Granted(off));
        Assert.Equal(FailoverState.Off, _host.Failover.State);
        Say(new StartCommand(new CommandId("c-2")));
        Assert.Equal("t6 solo a#1", Asked().Next.ToString());
    }

    private void LoseOwnerAsCompleteTarget()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Granted(new ArbiterRecord(Vm, new Term(3), B, null)));
        Say(new JoinInvite(B, new Term(3), 1));
        Epoch epoch = new(7);
        Say(new CheckpointRequest(B, new Term(3), epoch, CheckpointReason.Join));
        Say(new GuestPaused());
        Say(new VmStateSend(B, new Term(3), epoch));
        Say(new ImageStaged(epoch));
        Say(new DiskBarrierReached(epoch));
        Say(new ImageLoaded(epoch));
        Say(new PeerLost(B, LossEvidence.ProcessGone));
        Assert.Equal(FailoverState.JoinTargetLost, _host.Failover.State);
    }

    private void JoinUntilAsked(Term term)
    {
        Say(new JoinOffer(B, Term.Zero, default));
        Say(new CheckpointReady(B, term, 1));
        Say(new MemoryRoundDone(10, 0, TimeSpan.Zero));
        Epoch epoch = _host.Primary.Epoch;
        Say(new CheckpointReply(B, term, epoch));
        Say(new StateCaptured(epoch, 1, 1, TimeSpan.Zero));
        Say(new VmStateReceived(B, term, epoch));
        Say(new VmStateLoaded(B, term, epoch));
        Assert.Equal(FailoverState.AskingPair, _host.Failover.State);
    }

    private string Unknown() =>
        _effects.OfType<Effect.Emit>().Single(emit => emit.Event.Code == EventCode.ArbiterUnknown).Event.Summary;

    private TimerFired Retry()
    {
        Effect.StartTimer timer = _effects.OfType<Effect.StartTimer>()
            .Single(item => item.Name == TimerName.ArbiterRetry);
        return new TimerFired(timer.Name, timer.Generation);
    }

    private ArbiterProposal Asked() => _effects.OfType<Effect.AskArbiter>().Last().Proposal!;

    private void Answer(ArbiterAnswer answer) => Say(new ArbiterAnswered(_request, answer));

    private void Say(Message message)
    {
        _effects = new EffectList();
        _host.Decide(_now, message, _effects);
        _request = _effects.OfType<Effect.AskArbiter>().LastOrDefault()?.Request ?? _request;
    }
}
