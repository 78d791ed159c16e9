using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Actors.Tests.Failover;

/// <summary>Which of several hosts an owner takes as its second.</summary>
public sealed class JoinChoiceTests
{
    private static readonly HostIdentity A = new(new HostId("a"), new Incarnation(1));
    private static readonly HostIdentity B = new(new HostId("b"), new Incarnation(1));
    private static readonly HostIdentity C = new(new HostId("c"), new Incarnation(1));

    private readonly VmProtocol _host = new(
        new VmId("vm"), A, new FailoverOptions { Candidates = [A.Host, B.Host, C.Host], CreateHere = true },
        new CheckpointOptions(), new ResyncOptions());

    private EffectList _effects = new();
    private Instant _now = Instant.Zero;
    private Effect.StartTimer[] _waiting = [];

    public JoinChoiceTests()
    {
        Say(new NodeStarted());
        Answer(new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord));
        Answer(new ArbiterAnswer.Granted(_effects.OfType<Effect.AskArbiter>().Last().Proposal!.Next));
        Say(new GuestBooted(true, ""));
    }

    [Fact]
    public void The_best_of_the_fit_is_taken_when_all_of_them_have_offered()
    {
        Say(new JoinersRanked([C.Host, B.Host]));
        Say(new JoinOffer(B, Term.Zero, default));
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
        Say(new JoinOffer(B, Term.Zero, default));
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
        Say(new JoinOffer(C, Term.Zero, default));
        Assert.Equal([C.Host], Invited());
    }

    [Fact]
    public void A_host_that_stays_silent_is_not_waited_for_longer_than_the_choice_takes()
    {
        Say(new JoinersRanked([C.Host, B.Host]));
        Say(new JoinOffer(B, Term.Zero, default));
        Effect.StartTimer timer = _effects.OfType<Effect.StartTimer>()
            .Single(item => item.Name == TimerName.JoinChoice);
        Say(new TimerFired(timer.Name, timer.Generation));
        Assert.Equal([B.Host], Invited());
    }

    [Fact]
    public void The_operators_choice_comes_first_and_only_among_hosts_that_may_and_can()
    {
        Say(new JoinersRanked([C.Host, B.Host]));
        Assert.Equal(CommandResult.Refused, Command(new ProtectCommand(new CommandId("1"), new HostId("z"))).Result);
        Assert.Equal(CommandResult.Refused, Command(new ProtectCommand(new CommandId("2"), A.Host)).Result);
        Assert.Equal(CommandResult.Done, Command(new ProtectCommand(new CommandId("3"), B.Host)).Result);
        Say(new JoinOffer(C, Term.Zero, default));
        Assert.Empty(Invited());
        Say(new JoinOffer(B, Term.Zero, default));
        Assert.Equal([B.Host], Invited());

        Say(new JoinersRanked([B.Host]));
        Assert.Equal(CommandResult.Refused, Command(new ProtectCommand(new CommandId("4"), C.Host)).Result);
        Assert.Equal(FailoverState.SoloFilling, _host.Failover.State);
        Say(new JoinersRanked([C.Host, B.Host]));
        Assert.Equal(CommandResult.Done, Command(new ProtectCommand(new CommandId("5"), C.Host)).Result);
        Assert.Equal(FailoverState.Solo, _host.Failover.State);
        Say(new JoinOffer(C, Term.Zero, default));
        Assert.Equal([C.Host], Invited());
    }

    [Fact]
    public void Two_hosts_that_fail_in_turn_are_both_left_alone_longer_and_longer()
    {
        TimeSpan longest = new FailoverOptions { Candidates = [A.Host, B.Host, C.Host] }.JoinRetryMax;
        Dictionary<HostId, List<Instant>> invited = new() { [B.Host] = [], [C.Host] = [] };
        Say(new JoinersRanked([C.Host, B.Host]));
        for (; _now < Instant.Zero + (10 * longest); _now += TimeSpan.FromMilliseconds(500))
        {
            foreach (HostIdentity joiner in (HostIdentity[])[B, C])
            {
                Say(new JoinOffer(joiner, Term.Zero, default));
                FailWhoeverIsInvited();
            }

            foreach (Effect.StartTimer choice in _waiting.ToArray())
            {
                Say(new TimerFired(choice.Name, choice.Generation));
                FailWhoeverIsInvited();
            }
        }

        Assert.All(invited.Values, times =>
        {
            Assert.InRange(times.Count, 10, 20);
            Assert.InRange(times[^1] - times[^2], longest, longest + TimeSpan.FromSeconds(5));
        });

        void FailWhoeverIsInvited()
        {
            IEnumerable<Effect.StartTimer> choices = _effects.OfType<Effect.StartTimer>();
            _waiting = [.. choices.Where(timer => timer.Name == TimerName.JoinChoice), .. _waiting];
            foreach (HostId host in Invited().ToArray())
            {
                invited[host].Add(_now);
                Say(new LeaveNotice(host == B.Host ? B : C, _host.Failover.Term, "its disk is full"));
                Assert.Equal(FailoverState.Solo, _host.Failover.State);
            }
        }
    }

    private IEnumerable<HostId> Invited() =>
        _effects.OfType<Effect.Send>().Where(send => send.Message is JoinInvite).Select(send => send.To);

    private Effect.CompleteCommand Command(OperatorCommand command)
    {
        Say(command);
        return _effects.OfType<Effect.CompleteCommand>().Single();
    }

    private void Answer(ArbiterAnswer answer) =>
        Say(new ArbiterAnswered(_effects.OfType<Effect.AskArbiter>().Last().Request, answer));

    private void Say(Message message)
    {
        _effects = new EffectList();
        _host.Decide(_now, message, _effects);
    }
}
