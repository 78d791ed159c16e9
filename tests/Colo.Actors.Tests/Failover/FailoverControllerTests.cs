using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Actors.Tests.Failover;

/// <summary>Stories of one host's cores; whole worlds are in the simulation.</summary>
public sealed class FailoverControllerTests
{
    private static readonly VmId Vm = new("vm");
    private static readonly HostIdentity A = new(new HostId("a"), new Incarnation(1));
    private static readonly HostIdentity B = new(new HostId("b"), new Incarnation(1));

    private readonly VmProtocol _host = new(Vm, A, new FailoverOptions { Candidates = [A.Host, B.Host], CreateHere = true },
        new CheckpointOptions(), new ResyncOptions());

    private EffectList _effects = new();
    private Instant _now = Instant.Zero;

    [Fact]
    public void The_first_host_creates_the_record_and_boots()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord));
        ArbiterProposal asked = Asked();
        Assert.Equal("t1 solo a#1", asked.Next.ToString());
        Answer(new ArbiterAnswer.Granted(asked.Next));
        Assert.Contains(_effects, effect => effect is Effect.BootGuest);
        Assert.DoesNotContain(_effects, effect => effect is Effect.OpenSoloGate);
        Say(new GuestBooted(true, ""));
        Assert.Contains(_effects, effect => effect is Effect.OpenSoloGate);
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
    }

    [Fact]
    public void Unknown_is_never_a_yes()
    {
        BecomePrimary();
        Say(new PeerLost(B, LossEvidence.Silence));
        Assert.Equal(FailoverState.PrimaryAsking, _host.Failover.State);
        Answer(new ArbiterAnswer.Unknown("no answer"));
        Assert.DoesNotContain(_effects, effect => effect is Effect.OpenSoloGate);
        Assert.Contains(_effects, effect => effect is Effect.StartTimer { Name: TimerName.ArbiterRetry });
        Assert.Equal(ProtectionState.Holding, _host.Status.Protection);
    }

    [Fact]
    public void The_same_question_is_asked_again_after_unknown()
    {
        BecomePrimary();
        Say(new PeerLost(B, LossEvidence.Silence));
        ArbiterProposal first = Asked();
        Answer(new ArbiterAnswer.Unknown("no answer"));
        Effect.StartTimer timer = _effects.OfType<Effect.StartTimer>().Single(item => item.Name == TimerName.ArbiterRetry);
        Say(new TimerFired(timer.Name, timer.Generation));
        Assert.Equal(first, Asked());
    }

    [Fact]
    public void A_late_answer_to_an_earlier_question_is_not_taken()
    {
        BecomePrimary();
        Say(new PeerLost(B, LossEvidence.Silence));
        Effect.AskArbiter first = _effects.OfType<Effect.AskArbiter>().Last();
        Answer(new ArbiterAnswer.Unknown("no answer"));
        Effect.StartTimer timer = _effects.OfType<Effect.StartTimer>().Single(item => item.Name == TimerName.ArbiterRetry);
        Say(new TimerFired(timer.Name, timer.Generation));
        Say(new ArbiterAnswered(first.Request, new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord)));
        Assert.Equal(FailoverState.PrimaryAsking, _host.Failover.State);
    }

    [Fact]
    public void The_loser_discards_its_guest_and_parks()
    {
        BecomePrimary();
        Say(new PeerLost(B, LossEvidence.Silence));
        Answer(new ArbiterAnswer.Refused(new ArbiterRecord(Vm, new Term(3), B, null), ArbiterRefusal.TermMoved));
        Assert.Contains(_effects, effect => effect is Effect.CloseGate);
        Assert.Contains(_effects, effect => effect is Effect.DiscardGuest);
        Assert.Equal(FailoverState.Parked, _host.Failover.State);
    }

    [Fact]
    public void Solo_is_given_up_before_the_pair_is_asked_for()
    {
        BecomeSolo();
        Say(new JoinOffer(B, Term.Zero, default));
        Say(new CheckpointReady(B, new Term(1), 1));
        Say(new MemoryRoundDone(10, 0, TimeSpan.Zero));
        Say(new CheckpointReply(B, new Term(1), _host.Primary.Epoch));
        int gate = _effects.ToList().FindIndex(effect => effect is Effect.BeginJoinGate);
        int capture = _effects.ToList().FindIndex(effect => effect is Effect.CaptureState);
        Assert.True(gate >= 0 && gate < capture, $"gate {gate}, capture {capture}");
        Assert.DoesNotContain(_effects, effect => effect is Effect.AskArbiter { Proposal: not null });
    }

    [Fact]
    public void Losing_the_joiner_while_the_pair_is_asked_for_does_not_open_solo_by_itself()
    {
        BecomeSolo();
        JoinUntilAsked();
        Say(new PeerLost(B, LossEvidence.ProcessGone));
        Assert.DoesNotContain(_effects, effect => effect is Effect.OpenSoloGate);
        Assert.Equal(FailoverState.PrimaryAsking, _host.Failover.State);
        Assert.Equal("t2 solo a#1", Asked().Next.ToString());
    }

    [Fact]
    public void A_message_of_another_life_of_the_peer_is_refused()
    {
        BecomePrimary();
        HostIdentity earlier = new(B.Host, new Incarnation(0));
        Say(new LeaveNotice(earlier, _host.Failover.Term, "old"));
        Assert.Equal(FailoverState.Primary, _host.Failover.State);
        Assert.Equal(1, _host.Refused);
    }

    [Fact]
    public void The_same_command_twice_acts_once()
    {
        BecomePrimary();
        SwitchoverCommand command = new(new CommandId("c-1"));
        Say(command);
        Assert.Contains(_effects, effect => effect is Effect.Send { Message: CheckpointRequest { Reason: CheckpointReason.Switchover } });
        Say(command);
        Assert.DoesNotContain(_effects, effect => effect is Effect.Send);
        Say(new PeerLost(B, LossEvidence.ProcessGone));
        Assert.Single(_effects, effect => effect is Effect.CompleteCommand { Result: CommandResult.Failed });
        Say(command);
        Assert.Single(_effects, effect => effect is Effect.CompleteCommand { Result: CommandResult.Failed });
    }

    [Fact]
    public void A_switchover_of_an_unprotected_guest_is_refused()
    {
        BecomeSolo();
        Say(new SwitchoverCommand(new CommandId("c-2")));
        Assert.Contains(_effects, effect => effect is Effect.CompleteCommand { Result: CommandResult.Refused });
    }

    [Fact]
    public void A_burst_of_mismatches_costs_one_checkpoint()
    {
        BecomePrimary();
        for (int i = 0; i < 100; i++)
        {
            Say(new CheckpointTrigger(CheckpointReason.Mismatch, _host.Primary.Epoch));
        }

        Assert.Equal(2, _host.Primary.Begun); // the joining one and this
    }

    /// <summary>The comparer asks once; forgotten, everything that differed would stand for a whole period.</summary>
    [Fact]
    public void A_mismatch_between_the_joining_commit_and_the_pair_costs_a_checkpoint_as_soon_as_there_is_a_pair()
    {
        BecomeSolo();
        JoinUntilAsked();
        Effect.AskArbiter question = _effects.OfType<Effect.AskArbiter>().Last();
        Say(new CheckpointTrigger(CheckpointReason.Mismatch));
        Assert.Equal(1, _host.Primary.Begun);
        Say(new ArbiterAnswered(question.Request, new ArbiterAnswer.Granted(question.Proposal!.Next)));
        Assert.Equal(FailoverState.Primary, _host.Failover.State);
        // The other host knows the term before it is asked for something in it.
        Assert.Equal(
            [nameof(PairEstablished), nameof(CheckpointRequest)],
            _effects.OfType<Effect.Send>().Select(sent => sent.Message.GetType().Name));
    }

    [Fact]
    public void An_arbiter_that_has_forgotten_a_newer_record_evicts_nobody()
    {
        BecomePrimary();
        Say(new PeerLost(B, LossEvidence.ProcessGone));
        ArbiterProposal asked = Asked();
        Answer(new ArbiterAnswer.Refused(new ArbiterRecord(Vm, new Term(1), B, null), ArbiterRefusal.TermMoved));
        Assert.Equal(FailoverState.PrimaryAsking, _host.Failover.State);
        Assert.Equal(ProtectionState.Holding, _host.Status.Protection);
        Effect.StartTimer timer = _effects.OfType<Effect.StartTimer>()
            .Single(item => item.Name == TimerName.ArbiterRetry);
        Say(new TimerFired(timer.Name, timer.Generation));
        Assert.Equal(asked, Asked());
    }

    [Fact]
    public void A_host_that_had_the_vm_does_not_create_it_again_because_the_record_is_gone()
    {
        var host = new VmProtocol(
            Vm, A, new FailoverOptions { Candidates = [A.Host, B.Host], CreateHere = true, LastInStep = new Term(7) },
            new CheckpointOptions(), new ResyncOptions());
        var effects = new EffectList();
        host.Decide(_now, new NodeStarted(), effects);
        long request = effects.OfType<Effect.AskArbiter>().Last().Request;
        effects = new EffectList();
        var nothing = new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord);
        host.Decide(_now, new ArbiterAnswered(request, nothing), effects);
        Assert.Equal(FailoverState.Parked, host.Failover.State);
        Assert.DoesNotContain(effects, effect => effect is Effect.AskArbiter or Effect.BootGuest);

        // The operator's word is another matter.
        effects = new EffectList();
        host.Decide(
            _now, new FailoverCommand(new CommandId("c-1"), "the witness is gone", AcceptDataLoss: true), effects);
        Assert.Equal("t1 solo a#1", effects.OfType<Effect.AskArbiter>().Last().Proposal!.Next.ToString());
    }

    /// <summary>Its disk was lost with what it remembers; the guest would boot from an empty one.</summary>
    [Theory]
    [InlineData("t2 solo a#1", 0, 512, false)]
    [InlineData("t2 pair a#1>b#1", 0, 512, false)]
    [InlineData("t2 solo a#1", 1, 512, true)] // it remembers
    [InlineData("t2 pair a#1>b#1", 2, 512, true)]
    [InlineData("t2 solo a#1", 0, 0, true)] // it has no disk of its own
    [InlineData("t1 solo a#1", 0, 512, true)] // the first boot was cut short
    public void A_host_that_does_not_remember_the_disk_that_the_record_gives_it_boots_nothing(
        string text, long lastInStep, long diskSizeBytes, bool boots)
    {
        var self = new HostIdentity(A.Host, new Incarnation(2));
        var options = new FailoverOptions
        {
            Candidates = [A.Host, B.Host], LastInStep = new Term(lastInStep), DiskSizeBytes = diskSizeBytes,
        };
        var host = new VmProtocol(Vm, self, options, new CheckpointOptions(), new ResyncOptions());
        var term = new Term(text[1] - '0');
        var record = new ArbiterRecord(Vm, term, A, text.Contains("pair", StringComparison.Ordinal) ? B : null);
        EffectList effects = Decide(new NodeStarted());
        long request = effects.OfType<Effect.AskArbiter>().Last().Request;
        effects = Decide(new ArbiterAnswered(request, new ArbiterAnswer.Granted(record)));
        HostIdentity restarted = B with { Incarnation = new Incarnation(2) };
        foreach (Effect effect in Decide(new PeerSeen(restarted, term, HoldsGuest: false)))
        {
            effects.Add(effect); // both memories are gone
        }

        Assert.Equal(boots, effects.OfType<Effect.AskArbiter>().Any(asked => asked.Proposal is not null));
        Assert.Equal(boots ? FailoverState.ColdStarting : FailoverState.Parked, host.Failover.State);
        Assert.Equal(
            !boots, effects.OfType<Effect.Emit>().Any(told => told.Event.Code == EventCode.ColdStartWaits
                && told.Event.Summary.Contains("it was lost", StringComparison.Ordinal)));

        EffectList Decide(Message message)
        {
            var decided = new EffectList();
            host.Decide(_now, message, decided);
            return decided;
        }
    }

    /// <summary>The owner may give an attempt up before any link is open: then only a new offer leads on.</summary>
    [Fact]
    public void A_target_offers_itself_again_and_takes_the_next_invitation()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Granted(new ArbiterRecord(Vm, new Term(1), B, null)));
        Say(new JoinInvite(B, new Term(1), 1));
        Assert.Equal(FailoverState.JoinTarget, _host.Failover.State);
        Effect.StartTimer timer = _effects.OfType<Effect.StartTimer>().Single(item => item.Name == TimerName.JoinOffer);
        Say(new TimerFired(timer.Name, timer.Generation));
        Assert.Contains(_effects, effect => effect is Effect.Send { Message: JoinOffer } send && send.To == B.Host);
        Assert.Equal(FailoverState.JoinTarget, _host.Failover.State);
        Say(new JoinInvite(B, new Term(1), 2));
        Assert.Equal(FailoverState.JoinTarget, _host.Failover.State);
        Assert.Contains(_effects, effect => effect is Effect.ConnectReplication { AsPrimary: false });
    }

    /// <summary>The pair may be in force already without this host's knowing: it must not become its
    /// secondary.</summary>
    [Fact]
    public void A_target_that_is_drained_leaves_the_attempt()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Granted(new ArbiterRecord(Vm, new Term(1), B, null)));
        Say(new JoinInvite(B, new Term(1), 1));
        Say(new DrainCommand(new CommandId("c-1")));
        Assert.Equal(CommandResult.Done, Assert.Single(_effects.OfType<Effect.CompleteCommand>()).Result);
        Assert.Contains(_effects, effect => effect is Effect.Send { Message: LeaveNotice } send && send.To == B.Host);
        Assert.DoesNotContain(_effects, effect => effect is Effect.Send { Message: JoinOffer });
        Say(new PairEstablished(B, new Term(2), new ArbiterRecord(Vm, new Term(2), B, A)));
        Assert.Equal(FailoverState.Parked, _host.Failover.State);
    }

    /// <summary>Whoever reads an event or an answer asks for the state next.</summary>
    [Fact]
    public void A_new_state_is_told_before_the_events_and_answers_that_speak_of_it()
    {
        BecomePrimary();
        Assert.Equal(ProtectionState.Protected, FirstStatus());
        Say(new PeerLost(B, LossEvidence.ProcessGone));
        Assert.Equal(ProtectionState.Holding, FirstStatus());
        Answer(new ArbiterAnswer.Granted(Asked().Next));
        Assert.Equal(ProtectionState.Unprotected, FirstStatus());
        Assert.Contains(_effects, effect => effect is Effect.Emit { Event.Code: EventCode.WentSolo });

        ProtectionState FirstStatus() => Assert.IsType<Effect.ReportStatus>(_effects[0]).Status.Protection;
    }

    [Fact]
    public void A_joiner_that_fails_again_and_again_is_left_alone_for_longer_and_longer()
    {
        BecomeSolo();
        Say(new JoinOffer(B, Term.Zero, default));
        var waited = new List<double>();
        for (int attempt = 0; attempt < 8; attempt++)
        {
            Instant failed = _now;
            Say(new ResyncFailed(B, "no room"));
            Assert.Equal(FailoverState.Solo, _host.Failover.State);
            Assert.Contains("no room", _host.Status.WaitsFor, StringComparison.Ordinal);
            while (_host.Failover.State == FailoverState.Solo)
            {
                _now += TimeSpan.FromSeconds(0.5);
                Say(new JoinOffer(B, Term.Zero, default));
            }

            waited.Add((_now - failed).TotalSeconds);
        }

        Assert.Equal([1, 2, 4, 8, 16, 30, 30, 30], waited);
    }

    /// <summary>A joiner whose machine cannot be made says so and offers itself again in the same breath.</summary>
    [Fact]
    public void A_joiner_that_leaves_is_left_alone_like_one_that_fails()
    {
        BecomeSolo();
        Say(new JoinOffer(B, Term.Zero, default));
        Assert.Equal(FailoverState.SoloFilling, _host.Failover.State);
        Say(new LeaveNotice(B, _host.Failover.Term, "no interface"));
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
        Assert.Contains("no interface", _host.Status.WaitsFor, StringComparison.Ordinal);
        Say(new JoinOffer(B, Term.Zero, default));
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
        _now += TimeSpan.FromSeconds(1);
        Say(new JoinOffer(B, Term.Zero, default));
        Assert.Equal(FailoverState.SoloFilling, _host.Failover.State);
    }

    [Fact]
    public void The_operator_and_a_new_life_of_the_joiner_end_the_wait()
    {
        BecomeSolo();
        Say(new JoinOffer(B, Term.Zero, default));
        Say(new ResyncFailed(B, "no room"));
        Say(new JoinOffer(B, Term.Zero, default));
        Assert.Equal(FailoverState.Solo, _host.Failover.State);

        Say(new ProtectCommand(new CommandId("now")));
        Say(new JoinOffer(B, Term.Zero, default));
        Assert.Equal(FailoverState.SoloFilling, _host.Failover.State);

        Say(new ResyncFailed(B, "no room"));
        Say(new JoinOffer(B with { Incarnation = new Incarnation(2) }, Term.Zero, default));
        Assert.Equal(FailoverState.SoloFilling, _host.Failover.State);
    }

    [Fact]
    public void A_machine_that_fails_at_every_start_waits_longer_and_longer_and_one_that_ran_starts_at_once()
    {
        BecomeSolo();
        var waited = new List<double>();
        for (int start = 0; start < 8; start++)
        {
            waited.Add(FailAndStartAgain());
        }

        Assert.Equal([0, 1, 2, 4, 8, 16, 30, 30], waited);
        _now += TimeSpan.FromSeconds(31);
        Assert.Equal(0, FailAndStartAgain());
        Assert.Equal(1, FailAndStartAgain());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_host_whose_drain_has_failed_takes_a_second_copy_again(bool lost)
    {
        BecomePrimary();
        Say(new DrainCommand(new CommandId("drain")));
        Assert.Equal(FailoverState.SwitchoverOut, _host.Failover.State);
        Message failure = lost
            ? new PeerLost(B, LossEvidence.Silence)
            : _effects.OfType<Effect.StartTimer>().Where(timer => timer.Name == TimerName.PeerStep)
                .Select(timer => new TimerFired(timer.Name, timer.Generation)).Single();

        Say(failure);

        Effect.CompleteCommand end = Assert.Single(_effects.OfType<Effect.CompleteCommand>());
        Assert.Equal(CommandResult.Failed, end.Result);
        if (!lost)
        {
            Assert.Equal(FailoverState.Primary, _host.Failover.State);
            Say(new PeerLost(B, LossEvidence.Silence));
        }

        ArbiterRecord solo = Asked().Next;
        Answer(new ArbiterAnswer.Granted(solo));
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
        Say(new JoinOffer(B with { Incarnation = new Incarnation(2) }, solo.Term, default));
        Assert.Equal(FailoverState.SoloFilling, _host.Failover.State);
    }

    private double FailAndStartAgain()
    {
        Say(new MachineFailed("no interface"));
        Assert.Equal(FailoverState.ColdStarting, _host.Failover.State);
        TimeSpan wait = TimeSpan.Zero;
        if (_effects.OfType<Effect.StartTimer>()
            .SingleOrDefault(timer => timer.Name == TimerName.MachineRetry) is { } timer)
        {
            Assert.DoesNotContain(_effects, effect => effect is Effect.AskArbiter);
            wait = timer.After;
            _now += wait;
            Say(new TimerFired(timer.Name, timer.Generation));
        }

        Answer(new ArbiterAnswer.Granted(Asked().Next));
        Say(new GuestBooted(true, ""));
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
        return wait.TotalSeconds;
    }

    private void BecomeSolo()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord));
        Answer(new ArbiterAnswer.Granted(Asked().Next));
        Say(new GuestBooted(true, ""));
    }

    private void JoinUntilAsked()
    {
        Say(new JoinOffer(B, Term.Zero, default));
        Say(new CheckpointReady(B, new Term(1), 1));
        Say(new MemoryRoundDone(10, 0, TimeSpan.Zero));
        Epoch epoch = _host.Primary.Epoch;
        Say(new CheckpointReply(B, new Term(1), epoch));
        Say(new StateCaptured(epoch, 1, 1, TimeSpan.Zero));
        Say(new VmStateReceived(B, new Term(1), epoch));
        Say(new VmStateLoaded(B, new Term(1), epoch));
        Assert.Equal(FailoverState.AskingPair, _host.Failover.State);
    }

    private void BecomePrimary()
    {
        BecomeSolo();
        JoinUntilAsked();
        Answer(new ArbiterAnswer.Granted(Asked().Next));
        Assert.Equal(FailoverState.Primary, _host.Failover.State);
    }

    private ArbiterProposal Asked() => _effects.OfType<Effect.AskArbiter>().Last().Proposal!;

    private void Answer(ArbiterAnswer answer) => Say(new ArbiterAnswered(_effects.OfType<Effect.AskArbiter>().Last().Request, answer));

    private void Say(Message message)
    {
        _effects = new EffectList();
        _host.Decide(_now, message, _effects);
    }
}
