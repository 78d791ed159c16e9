using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Failover;

/// <summary>How a guest's end becomes the VM's: agreed with the other host, recorded by the arbiter.</summary>
public sealed class GuestEndTests
{
    private static readonly HostIdentity B = HostInTest.B;

    private readonly HostInTest _host = new();

    [Fact]
    public void Without_an_arbiter_an_end_that_both_hosts_agree_on_needs_no_operator()
    {
        _host.BecomePrimary();
        CommandId stop = _host.NextCommand();
        _host.Say(new StopCommand(stop));
        _host.Say(new GuestEndAgreed(B, _host.Record.Term));
        Assert.Equal(ArbiterClaim.InSync, _host.Asked!.Claim);
        _host.AnswerOperatorNeeded();
        Assert.Equal(ArbiterClaim.OperatorForced, _host.Asked!.Claim);
        Assert.Equal("t3 solo a#1 off", _host.Asked.Next.ToString());
        _host.Grant();
        Assert.Equal(FailoverState.Off, _host.State);
        Effect.CompleteCommand done = Assert.Single(_host.Effects.OfType<Effect.CompleteCommand>());
        Assert.Equal((stop, CommandResult.Done), (done.Id, done.Result));
    }

    /// <summary>The other host's guest may go on: the last answers of this one must not leave yet.</summary>
    [Fact]
    public void Without_an_arbiter_an_end_that_the_other_host_does_not_agree_on_waits_for_the_operator()
    {
        _host.BecomePrimary();
        _host.Say(new StopCommand(_host.NextCommand()));
        _host.Say(new PeerLost(B, LossEvidence.Silence));
        _host.AnswerOperatorNeeded();
        Assert.Equal(FailoverState.Ending, _host.State);
        Assert.Contains(EventCode.HoldingForOperator, _host.Events);
        Assert.DoesNotContain(_host.Effects, effect => effect is Effect.OpenSoloGate or Effect.DiscardGuest);
        Assert.Equal(CommandResult.Failed, Assert.Single(_host.Effects.OfType<Effect.CompleteCommand>()).Result);

        _host.Say(new PeerLost(B, LossEvidence.Silence));
        Assert.Null(_host.Asked);

        _host.Say(new FailoverCommand(_host.NextCommand(), "b is off", AcceptDataLoss: false));
        Assert.Equal(ArbiterClaim.OperatorForced, _host.Asked!.Claim);
        _host.Grant();
        Assert.Equal(FailoverState.Off, _host.State);
    }

    [Fact]
    public void A_host_of_the_pair_that_is_heard_without_a_guest_has_agreed()
    {
        _host.BecomePrimary();
        Term pair = _host.Record.Term;
        _host.Say(new GuestEnded(GuestEnd.Shutdown));
        _host.Say(new ReplicationLinkLost(B, ReplicationChannel.Disk));
        _host.AnswerOperatorNeeded();
        _host.Say(new PeerSeen(B, pair, HoldsGuest: true));
        Assert.IsType<GuestEndNotice>(Assert.Single(_host.Sent));
        _host.Say(new PeerSeen(B, pair, HoldsGuest: false));
        Assert.Equal(ArbiterClaim.OperatorForced, _host.Asked!.Claim);
    }

    [Fact]
    public void Without_an_arbiter_a_former_pairs_disk_is_asked_for_once_and_then_left_to_the_operator()
    {
        _host.Say(new NodeStarted());
        HostIdentity earlier = new(HostInTest.A.Host, new Incarnation(0));
        ArbiterRecord pair = new(HostInTest.Vm, new Term(2), earlier, B);
        _host.Answer(new ArbiterAnswer.Granted(pair));
        PeerSeen empty = new(B, pair.Term, HoldsGuest: false);
        _host.Say(empty);
        Assert.Equal(ArbiterClaim.ColdStart, _host.Asked!.Claim);
        _host.AnswerOperatorNeeded();
        Assert.Equal(FailoverState.Parked, _host.State);
        Assert.Contains(EventCode.HoldingForOperator, _host.Events);

        _host.Say(empty);
        Assert.Equal(FailoverState.Parked, _host.State);
        Assert.Null(_host.Asked);

        _host.Say(new FailoverCommand(_host.NextCommand(), "this disk", AcceptDataLoss: true));
        Assert.Equal(ArbiterClaim.OperatorForced, _host.Asked!.Claim);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Without_an_arbiter_a_repeated_loss_asks_nobody_again(bool primary)
    {
        if (primary)
        {
            _host.BecomePrimary();
        }
        else
        {
            _host.BecomeSecondary();
        }

        PeerLost lost = new(B, LossEvidence.ProcessGone);
        _host.Say(lost);
        _host.AnswerOperatorNeeded();
        FailoverState held = primary ? FailoverState.PrimaryHeld : FailoverState.SecondaryHeld;
        Assert.Equal(held, _host.State);
        _host.Say(lost);
        Assert.Equal(held, _host.State);
        Assert.Null(_host.Asked);
        _host.Say(new FailoverCommand(_host.NextCommand(), "b is off", AcceptDataLoss: false));
        Assert.Equal(ArbiterClaim.OperatorForced, _host.Asked!.Claim);
    }

    /// <summary>The machine tells of the end once; a dead guest counted as running, and was even copied.</summary>
    [Fact]
    public void An_end_while_the_arbiter_is_asked_to_evict_the_secondary_counts_when_the_answer_is_there()
    {
        _host.BecomePrimary();
        _host.Say(new PeerLost(B, LossEvidence.Silence));
        ArbiterRecord solo = _host.Asked!.Next;
        _host.Answer(new ArbiterAnswer.Unknown("away"));
        _host.Say(new GuestEnded(GuestEnd.Shutdown));
        Assert.Equal(FailoverState.PrimaryAsking, _host.State);
        _host.Answer(new ArbiterAnswer.Granted(solo));
        EndsAlone();
    }

    [Fact]
    public void An_end_while_the_primary_waits_for_the_operator_counts_when_it_goes_on()
    {
        _host.BecomePrimary();
        _host.Say(new PauseProtectionCommand(_host.NextCommand()));
        _host.Say(new PeerLost(B, LossEvidence.Silence));
        _host.Say(new GuestEnded(GuestEnd.Panic));
        Assert.Equal(FailoverState.PrimaryHeld, _host.State);
        _host.Say(new FailoverCommand(_host.NextCommand(), "b is off", AcceptDataLoss: false));
        _host.Grant();
        EndsAlone();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_end_while_a_pair_is_asked_for_counts_whatever_the_answer_is(bool granted)
    {
        _host.BecomeSolo();
        ArbiterRecord alone = _host.Record;
        _host.JoinUntilAsked();
        ArbiterRecord pair = _host.Asked!.Next;
        _host.Say(new GuestEnded(GuestEnd.Shutdown));
        Assert.Equal(FailoverState.AskingPair, _host.State);
        if (granted)
        {
            _host.Answer(new ArbiterAnswer.Granted(pair));
            Assert.Equal(FailoverState.Ending, _host.State);
            Assert.Contains(_host.Sent, message => message is GuestEndNotice);
        }
        else
        {
            _host.Answer(new ArbiterAnswer.Refused(alone, ArbiterRefusal.NotAllowed));
            EndsAlone();
        }
    }

    [Fact]
    public void An_end_during_a_switchover_that_is_refused_ends_the_guest()
    {
        _host.BecomePrimary();
        _host.SwitchOverUntilAsked();
        _host.Say(new GuestEnded(GuestEnd.Shutdown));
        Assert.Equal(FailoverState.SwitchoverAsking, _host.State);
        _host.Answer(new ArbiterAnswer.Refused(_host.Record, ArbiterRefusal.NotAllowed));
        Assert.Equal(FailoverState.Ending, _host.State);
        Assert.Contains(_host.Sent, message => message is GuestEndNotice);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_end_while_the_secondary_takes_over_counts_when_it_has(bool held)
    {
        _host.BecomeSecondary();
        _host.Say(held
            ? new ReplicationLinkLost(B, ReplicationChannel.Disk)
            : new PeerLost(B, LossEvidence.ProcessGone));
        if (held)
        {
            Effect.StartTimer handicap = _host.Effects.OfType<Effect.StartTimer>().Single();
            _host.Say(new GuestEnded(GuestEnd.Shutdown));
            Assert.Equal(FailoverState.SecondaryHeld, _host.State);
            _host.Say(new TimerFired(handicap.Name, handicap.Generation));
            _host.Grant();
        }
        else
        {
            ArbiterRecord solo = _host.Asked!.Next;
            _host.Say(new GuestEnded(GuestEnd.Shutdown));
            Assert.Equal(FailoverState.SecondaryAsking, _host.State);
            _host.Answer(new ArbiterAnswer.Granted(solo));
        }

        EndsAlone();
    }

    [Fact]
    public void An_end_that_the_image_being_loaded_undoes_is_none()
    {
        _host.BecomeSecondary();
        Epoch epoch = new(2);
        _host.Say(new CheckpointRequest(B, new Term(2), epoch, CheckpointReason.Period));
        _host.Say(new GuestPaused());
        _host.Say(new VmStateSend(B, new Term(2), epoch));
        _host.Say(new ImageStaged(epoch));
        _host.Say(new DiskBarrierReached(epoch));
        _host.Say(new PeerLost(B, LossEvidence.ProcessGone));
        ArbiterRecord solo = _host.Asked!.Next;
        _host.Say(new GuestEnded(GuestEnd.Shutdown));
        _host.Answer(new ArbiterAnswer.Granted(solo));
        Assert.Equal(FailoverState.Promoting, _host.State);
        _host.Say(new ImageLoaded(epoch));
        Assert.Equal(FailoverState.Solo, _host.State);
    }

    /// <summary>The end of another life of the guest had been asked for, and refused, when it was here.</summary>
    [Fact]
    public void An_end_is_asked_for_also_when_an_earlier_one_was_refused()
    {
        _host.BecomeSolo();
        _host.Say(new StopCommand(_host.NextCommand()));
        ArbiterRecord taken = new(HostInTest.Vm, new Term(2), B, null);
        _host.Answer(new ArbiterAnswer.Refused(taken, ArbiterRefusal.TermMoved));
        Assert.Equal(FailoverState.Parked, _host.State);
        _host.BecomeSecondary(taken.Term);
        ArbiterRecord exchanged = new(HostInTest.Vm, new Term(4), HostInTest.A, B);
        _host.Say(new SwitchoverGranted(B, exchanged.Term, exchanged, new Epoch(1)));
        Assert.Equal(FailoverState.Primary, _host.State);
        _host.Say(new GuestEnded(GuestEnd.Shutdown));
        _host.Say(new GuestEndAgreed(B, exchanged.Term));
        Assert.Equal("t5 solo a#1 off", _host.Asked?.Next.ToString());
    }

    private void EndsAlone()
    {
        Assert.Equal(FailoverState.Ending, _host.State);
        Assert.True(_host.Asked!.Next.PoweredOff);
        _host.Grant();
        Assert.Equal(FailoverState.Off, _host.State);
    }
}
