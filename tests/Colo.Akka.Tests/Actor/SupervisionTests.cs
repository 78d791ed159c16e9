using Akka.Actor;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class SupervisionTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void Resume_keeps_the_state_and_drops_only_the_failing_message()
    {
        var child = Supervised(new OneForOneStrategy(_ => Directive.Resume));
        child.Tell(1);
        Fail(child);
        child.Tell("sum");
        ExpectMsg(1, Limit);
    }

    [Fact]
    public void Restart_begins_with_fresh_state()
    {
        var child = Supervised(new OneForOneStrategy(_ => Directive.Restart));
        child.Tell(1);
        Fail(child);
        child.Tell("sum");
        ExpectMsg(0, Limit);
    }

    [Fact]
    public void Stop_ends_the_child()
    {
        var child = Supervised(new OneForOneStrategy(_ => Directive.Stop));
        Watch(child);
        Fail(child);
        ExpectTerminated(child, Limit);
    }

    [Fact]
    public void Escalate_hands_the_failure_to_the_grandparent_who_restarts_the_parent()
    {
        var grandparent = Sys.ActorOf(Props.Create(() => new Supervisor(new OneForOneStrategy(_ => Directive.Restart))));
        grandparent.Tell(Props.Create(() => new Supervisor(new OneForOneStrategy(_ => Directive.Escalate))));
        var parent = ExpectMsg<IActorRef>(Limit);
        parent.Tell(Props.Create(() => new Summer()));
        var child = ExpectMsg<IActorRef>(Limit);
        Watch(child);
        Fail(child);
        ExpectTerminated(child, Limit);
        parent.Tell(Props.Create(() => new Summer()));
        ExpectMsg<IActorRef>(Limit).Tell("sum");
        ExpectMsg(0, Limit);
    }

    [Fact]
    public void More_restarts_than_allowed_stop_the_child()
    {
        var child = Supervised(new OneForOneStrategy(2, TimeSpan.FromMinutes(10), _ => Directive.Restart));
        Watch(child);
        Fail(child);
        Fail(child);
        child.Tell("sum");
        ExpectMsg(0, Limit);
        Fail(child);
        ExpectTerminated(child, Limit);
    }

    [Fact]
    public void One_for_one_leaves_the_siblings_alone()
    {
        var (first, second) = TwoChildren(new OneForOneStrategy(_ => Directive.Restart));
        second.Tell(5);
        Fail(first);
        second.Tell("sum");
        ExpectMsg(5, Limit);
    }

    [Fact]
    public void All_for_one_restarts_the_siblings_too()
    {
        var (first, second) = TwoChildren(new AllForOneStrategy(_ => Directive.Restart));
        second.Tell(5);
        second.Tell("sum");
        ExpectMsg(5, Limit);
        Fail(first);
        AwaitAssert(
            () =>
            {
                second.Tell("sum");
                ExpectMsg(0, TimeSpan.FromSeconds(3));
            },
            Limit);
    }

    [Fact]
    public void All_for_one_stops_all_of_them()
    {
        var (first, second) = TwoChildren(new AllForOneStrategy(_ => Directive.Stop));
        var probe = CreateTestProbe();
        probe.Watch(first);
        probe.Watch(second);
        Fail(first);
        var dead = new[] { probe.ExpectMsg<Terminated>(Limit).ActorRef, probe.ExpectMsg<Terminated>(Limit).ActorRef };
        Assert.Equal(new[] { first, second }.OrderBy(r => r), dead.OrderBy(r => r));
    }

    [Fact]
    public void A_table_of_exceptions_decides_by_the_first_type_that_fits()
    {
        var decider = Decider.From(
            Directive.Stop, Directive.Resume.When<InvalidOperationException>(), Directive.Restart.When<ArgumentException>());
        Assert.Equal(Directive.Resume, decider.Decide(new InvalidOperationException()));
        Assert.Equal(Directive.Restart, decider.Decide(new ArgumentNullException()));
        Assert.Equal(Directive.Stop, decider.Decide(new TimeoutException()));
    }

    [Fact]
    public void A_grandchild_is_stopped_when_its_parent_restarts()
    {
        var parent = Supervised(new OneForOneStrategy(_ => Directive.Restart), Props.Create(() => new ParentThatFails()));
        parent.Tell("child");
        var child = ExpectMsg<IActorRef>(Limit);
        Watch(child);
        Fail(parent);
        ExpectTerminated(child, Limit);
        parent.Tell("child");
        Assert.Equal("child", ExpectMsg<IActorRef>(Limit).Path.Name);
    }

    private void Fail(IActorRef actor) =>
        EventFilter.Error(start: "").And.Warning(start: "").Mute(() => actor.Tell("fail"));

    private IActorRef Supervised(SupervisorStrategy strategy, Props? child = null)
    {
        var supervisor = Sys.ActorOf(Props.Create(() => new Supervisor(strategy)));
        supervisor.Tell(child ?? Props.Create(() => new Summer()));
        return ExpectMsg<IActorRef>(Limit);
    }

    private (IActorRef First, IActorRef Second) TwoChildren(SupervisorStrategy strategy)
    {
        var supervisor = Sys.ActorOf(Props.Create(() => new Supervisor(strategy)));
        supervisor.Tell(Props.Create(() => new Summer()));
        supervisor.Tell(Props.Create(() => new Summer()));
        return (ExpectMsg<IActorRef>(Limit), ExpectMsg<IActorRef>(Limit));
    }

    private sealed class Supervisor(SupervisorStrategy strategy) : UntypedActor
    {
        protected override SupervisorStrategy SupervisorStrategy() => strategy;

        protected override void OnReceive(object message)
        {
            if (message is Props props)
            {
                Sender.Tell(Context.ActorOf(props));
            }
        }
    }

    private sealed class Summer : UntypedActor
    {
        private int _sum;

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case int number:
                    _sum += number;
                    break;
                case "sum":
                    Sender.Tell(_sum);
                    break;
                default:
                    throw new InvalidOperationException("told to fail");
            }
        }
    }

    private sealed class ParentThatFails : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is "child")
            {
                Sender.Tell(Context.ActorOf(Props.Create(() => new Summer()), "child"));
            }
            else
            {
                throw new InvalidOperationException("told to fail");
            }
        }
    }
}
