using Akka.Actor;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class LifecycleTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void Hooks_of_a_start_and_stop_run_in_order()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Traced(TestActor)));
        Sys.Stop(actor);
        Expect("constructor", "PreStart", "PostStop");
    }

    [Fact]
    public void Hooks_of_a_restart_run_in_order_and_know_cause_and_message()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Traced(TestActor)));
        Expect("constructor", "PreStart");
        EventFilter.Exception<InvalidOperationException>().ExpectOne(Limit, () => actor.Tell("fail"));
        Expect("PreRestart(broken, fail)", "PostStop", "constructor", "PostRestart(broken)", "PreStart");
    }

    [Fact]
    public void Messages_behind_the_failing_one_are_handled_by_the_new_instance()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Traced(TestActor)));
        Expect("constructor", "PreStart");
        EventFilter.Exception<InvalidOperationException>().ExpectOne(Limit, () =>
        {
            actor.Tell("before");
            actor.Tell("fail");
            for (var i = 0; i < 100; i++)
            {
                actor.Tell("after " + i);
            }
        });
        Expect("before", "PreRestart(broken, fail)", "PostStop", "constructor", "PostRestart(broken)", "PreStart");
        Expect(Enumerable.Range(0, 100).Select(i => "after " + i).ToArray());
    }

    [Fact]
    public void The_behaviour_is_the_first_one_again_after_a_restart()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Traced(TestActor)));
        Expect("constructor", "PreStart");
        actor.Tell("become");
        actor.Tell("x");
        Expect("other behaviour: x");
        EventFilter.Exception<InvalidOperationException>().ExpectOne(Limit, () => actor.Tell("fail"));
        actor.Tell("x");
        Expect("PreRestart(broken, fail)", "PostStop", "constructor", "PostRestart(broken)", "PreStart", "x");
    }

    [Fact]
    public void Children_stop_before_their_parent_has_stopped()
    {
        var parent = Sys.ActorOf(Props.Create(() => new Parent(TestActor)));
        ExpectMsg("child up", Limit);
        Sys.Stop(parent);
        ExpectMsg("child down", Limit);
        ExpectMsg("parent down", Limit);
    }

    [Theory]
    [InlineData("constructor")]
    [InlineData("PreStart")]
    public void An_actor_that_cannot_start_is_stopped(string where)
    {
        IActorRef? actor = null;
        EventFilter.Error(start: "").Mute(() => actor = Sys.ActorOf(Props.Create(() => new Fragile(where, TestActor))));
        Watch(actor!);
        ExpectTerminated(actor!, Limit);
    }

    [Fact]
    public void A_failing_PostStop_is_logged_and_the_actor_stops_all_the_same()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Fragile("PostStop", TestActor)));
        Watch(actor);
        EventFilter.Exception<InvalidOperationException>().ExpectOne(Limit, () => Sys.Stop(actor));
        ExpectTerminated(actor, Limit);
    }

    [Fact]
    public void A_failing_PreRestart_is_logged_and_the_restart_goes_on()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Fragile("PreRestart", TestActor)));
        EventFilter.Error(start: "").Mute(() =>
        {
            actor.Tell("fail");
            actor.Tell("hello");
            ExpectMsg("hello", Limit);
        });
    }

    [Fact]
    public void A_failing_PostRestart_stops_the_actor()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Fragile("PostRestart", TestActor)));
        Watch(actor);
        EventFilter.Error(start: "").Mute(() =>
        {
            actor.Tell("fail");
            ExpectTerminated(actor, Limit);
        });
    }

    [Fact]
    public void Kill_stops_an_actor_under_the_default_strategy()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Fragile("nowhere", TestActor)));
        Watch(actor);
        EventFilter.Exception<ActorKilledException>().ExpectOne(Limit, () => actor.Tell(Kill.Instance));
        ExpectTerminated(actor, Limit);
    }

    [Fact]
    public void Disposable_actors_are_disposed_when_they_stop()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Disposable(TestActor)));
        Sys.Stop(actor);
        ExpectMsg("disposed", Limit);
    }

    private void Expect(params string[] messages)
    {
        foreach (var message in messages)
        {
            ExpectMsg(message, Limit);
        }
    }

    private sealed class Traced : UntypedActor
    {
        private readonly IActorRef _report;

        public Traced(IActorRef report)
        {
            _report = report;
            report.Tell("constructor");
        }

        protected override void PreStart() => _report.Tell("PreStart");

        protected override void PostStop() => _report.Tell("PostStop");

        protected override void PreRestart(Exception reason, object message)
        {
            _report.Tell($"PreRestart({reason.Message}, {message})");
            base.PreRestart(reason, message);
        }

        protected override void PostRestart(Exception reason)
        {
            _report.Tell($"PostRestart({reason.Message})");
            base.PostRestart(reason);
        }

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case "fail":
                    throw new InvalidOperationException("broken");
                case "become":
                    Become(Other);
                    break;
                default:
                    _report.Tell(message);
                    break;
            }
        }

        private void Other(object message)
        {
            if (message is "fail")
            {
                throw new InvalidOperationException("broken");
            }

            _report.Tell("other behaviour: " + message);
        }
    }

    private sealed class Parent(IActorRef report) : UntypedActor
    {
        protected override void PreStart() => Context.ActorOf(Props.Create(() => new Child(report)), "child");

        protected override void PostStop() => report.Tell("parent down");

        protected override void OnReceive(object message)
        {
        }
    }

    private sealed class Child(IActorRef report) : UntypedActor
    {
        protected override void PreStart() => report.Tell("child up");

        protected override void PostStop() => report.Tell("child down");

        protected override void OnReceive(object message)
        {
        }
    }

    private sealed class Fragile : UntypedActor
    {
        private readonly string _where;
        private readonly IActorRef _report;

        public Fragile(string where, IActorRef report)
        {
            _where = where;
            _report = report;
            FailAt("constructor");
        }

        protected override void PreStart() => FailAt("PreStart");

        protected override void PostStop() => FailAt("PostStop");

        protected override void PreRestart(Exception reason, object message) => FailAt("PreRestart");

        protected override void PostRestart(Exception reason) => FailAt("PostRestart");

        protected override void OnReceive(object message)
        {
            if (message is "fail")
            {
                throw new InvalidOperationException("told to fail");
            }

            _report.Tell(message);
        }

        private void FailAt(string where)
        {
            if (_where == where)
            {
                throw new InvalidOperationException("failing in " + where);
            }
        }
    }

    private sealed class Disposable(IActorRef report) : UntypedActor, IDisposable
    {
        public void Dispose() => report.Tell("disposed");

        protected override void OnReceive(object message)
        {
        }
    }
}
