using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Actors.Tests.Failover;

/// <summary>The cores of one VM on host a, whose peer is b; the test is everything around them.</summary>
internal sealed class HostInTest
{
    public static readonly VmId Vm = new("vm");
    public static readonly HostIdentity A = new(new HostId("a"), new Incarnation(1));
    public static readonly HostIdentity B = new(new HostId("b"), new Incarnation(1));

    private readonly VmProtocol _cores = new(
        Vm, A, new FailoverOptions { Candidates = [A.Host, B.Host], CreateHere = true }, new CheckpointOptions(),
        new ResyncOptions());

    private long _commands;
    private long _request;

    /// <summary>Of the last message.</summary>
    public EffectList Effects { get; private set; } = new();

    public FailoverState State => _cores.Failover.State;

    public ArbiterRecord Record => _cores.Failover.Record!;

    public VmStatus Status => _cores.Status;

    /// <summary>The proposal that the last message led to; null when there was none.</summary>
    public ArbiterProposal? Asked => Effects.OfType<Effect.AskArbiter>().LastOrDefault()?.Proposal;

    public IEnumerable<PeerMessage> Sent => Effects.OfType<Effect.Send>().Select(send => send.Message);

    public IEnumerable<EventCode> Events => Effects.OfType<Effect.Emit>().Select(emit => emit.Event.Code);

    public void Say(Message message)
    {
        Effects = new EffectList();
        _cores.Decide(Instant.Zero, message, Effects);
        _request = Effects.OfType<Effect.AskArbiter>().LastOrDefault()?.Request ?? _request;
    }

    /// <summary>The arbiter's answer to the newest question.</summary>
    public void Answer(ArbiterAnswer answer) => Say(new ArbiterAnswered(_request, answer));

    /// <summary>The arbiter's yes to what the last message proposed.</summary>
    public void Grant() => Answer(new ArbiterAnswer.Granted(Asked!.Next));

    /// <summary>What arbiter "none" says to leaving a pair.</summary>
    public void AnswerOperatorNeeded() => Answer(new ArbiterAnswer.Refused(Record, ArbiterRefusal.OperatorNeeded));

    /// <summary>The timer that the last message started.</summary>
    public void Fire(TimerName name)
    {
        Effect.StartTimer timer = Effects.OfType<Effect.StartTimer>().Last(item => item.Name == name);
        Say(new TimerFired(timer.Name, timer.Generation));
    }

    public CommandId NextCommand() => new($"c-{++_commands}");

    public void BecomeSolo()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord));
        Grant();
        Say(new GuestBooted(true, ""));
        Assert.Equal(FailoverState.Solo, State);
    }

    /// <summary>A pair in the next term.</summary>
    public void BecomePrimary()
    {
        BecomeSolo();
        JoinUntilAsked();
        Grant();
        Assert.Equal(FailoverState.Primary, State);
    }

    public void JoinUntilAsked()
    {
        Term term = _cores.Failover.Term;
        Say(new JoinOffer(B, Term.Zero, default));
        Say(new CheckpointReady(B, term, 1));
        Say(new MemoryRoundDone(10, 0, TimeSpan.Zero));
        Checkpoint(_cores.Primary.Epoch, term);
        Assert.Equal(FailoverState.AskingPair, State);
    }

    /// <summary>A checkpoint, from the secondary's reply to its being loaded.</summary>
    public void Checkpoint(Epoch epoch, Term term)
    {
        Say(new CheckpointReply(B, term, epoch));
        Say(new StateCaptured(epoch, 1, 1, TimeSpan.Zero));
        Say(new VmStateReceived(B, term, epoch));
        Say(new VmStateLoaded(B, term, epoch));
    }

    /// <summary>A switchover of this primary until the arbiter is asked.</summary>
    public void SwitchOverUntilAsked()
    {
        Say(new SwitchoverCommand(NextCommand()));
        Checkpoint(_cores.Primary.Epoch, _cores.Failover.Term);
        Assert.Equal(FailoverState.SwitchoverAsking, State);
    }

    /// <summary>The secondary of the pair in term 2, without a checkpoint in flight.</summary>
    public void BecomeSecondary()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Granted(new ArbiterRecord(Vm, new Term(1), B, null)));
        BecomeSecondary(new Term(1));
    }

    /// <summary>A parked host becomes the secondary of the owner of this term.</summary>
    public void BecomeSecondary(Term owner)
    {
        Say(new JoinInvite(B, owner, 1));
        Epoch epoch = new(1);
        Say(new CheckpointRequest(B, owner, epoch, CheckpointReason.Join));
        Say(new VmStateSend(B, owner, epoch));
        Say(new ImageStaged(epoch));
        Say(new DiskBarrierReached(epoch));
        Say(new ImageLoaded(epoch));
        Say(new PairEstablished(B, owner.Next, new ArbiterRecord(Vm, owner.Next, B, A)));
        Assert.Equal(FailoverState.Secondary, State);
    }
}
