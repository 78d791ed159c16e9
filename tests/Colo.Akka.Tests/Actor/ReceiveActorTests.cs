using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class ReceiveActorTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void The_first_handler_that_takes_the_message_wins()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Matcher(TestActor)));
        actor.Tell(5);
        ExpectMsg("small number", Limit);
        actor.Tell(50);
        ExpectMsg("number", Limit);
        actor.Tell("x");
        ExpectMsg("text", Limit);
        actor.Tell(1.0);
        ExpectMsg("typed by Type", Limit);
    }

    [Fact]
    public void An_unhandled_message_is_published()
    {
        Sys.EventStream.Subscribe(TestActor, typeof(UnhandledMessage));
        Sys.ActorOf(Props.Create(() => new Matcher(TestActor))).Tell('c');
        Assert.Equal('c', ExpectMsg<UnhandledMessage>(Limit).Message);
    }

    [Fact]
    public void A_handler_after_ReceiveAny_cannot_be_declared()
    {
        IActorRef? actor = null;
        EventFilter.Error(start: "").Mute(() =>
        {
            actor = Sys.ActorOf(Props.Create(() => new TooLate()));
            Watch(actor);
            ExpectTerminated(actor, Limit);
        });
    }

    [Fact]
    public void Become_and_unbecome_form_a_stack()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Moody(TestActor)));
        actor.Tell("x");
        ExpectMsg("calm x", Limit);
        actor.Tell("up");
        actor.Tell("x");
        ExpectMsg("angry x", Limit);
        actor.Tell("down");
        actor.Tell("x");
        ExpectMsg("calm x", Limit);
    }

    [Fact]
    public void No_message_is_handled_while_an_async_handler_waits()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var actor = Sys.ActorOf(Props.Create(() => new Async(TestActor, gate.Task)));
        actor.Tell("wait");
        ExpectMsg("waiting", Limit);
        actor.Tell("x");
        ExpectNoMsg(200);
        gate.SetResult();
        ExpectMsg("waited, sender kept: True, self kept: True", Limit);
        ExpectMsg("x", Limit);
    }

    [Fact]
    public void An_async_handler_that_fails_restarts_the_actor_and_the_next_message_is_handled()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Async(TestActor, Task.CompletedTask)));
        EventFilter.Exception<InvalidOperationException>().ExpectOne(Limit, () => actor.Tell("fail later"));
        ExpectMsg("restarting because of fail later", Limit);
        actor.Tell("x");
        ExpectMsg("x", Limit);
    }

    [Fact]
    public void An_actor_can_be_stopped_while_an_async_handler_waits()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Async(TestActor, new TaskCompletionSource().Task)));
        Watch(actor);
        actor.Tell("wait");
        ExpectMsg("waiting", Limit);
        Sys.Stop(actor);
        ExpectTerminated(actor, Limit);
    }

    [Fact]
    public void Many_async_handlers_keep_the_order()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Async(TestActor, Task.CompletedTask)));
        for (var i = 0; i < 500; i++)
        {
            actor.Tell(i);
        }

        for (var i = 0; i < 500; i++)
        {
            ExpectMsg(i, Limit);
        }
    }

    private sealed class Matcher : ReceiveActor
    {
        public Matcher(IActorRef report)
        {
            Receive<int>(n => n < 10, _ => report.Tell("small number"));
            Receive<int>(_ => report.Tell("number"));
            Receive<string>(_ =>
            {
                report.Tell("text");
                return true;
            });
            Receive(typeof(double), _ => report.Tell("typed by Type"));
        }
    }

    private sealed class TooLate : ReceiveActor
    {
        public TooLate()
        {
            ReceiveAny(_ => { });
            Receive<int>(_ => { });
        }
    }

    private sealed class Moody : ReceiveActor
    {
        public Moody(IActorRef report)
        {
            Receive<string>(m => m == "up", _ => BecomeStacked(() =>
            {
                Receive<string>(m => m == "down", _ => UnbecomeStacked());
                ReceiveAny(m => report.Tell("angry " + m));
            }));
            ReceiveAny(m => report.Tell("calm " + m));
        }
    }

    private sealed class Async : ReceiveActor
    {
        private readonly IActorRef _report;

        public Async(IActorRef report, Task gate)
        {
            _report = report;
            ReceiveAsync<string>(m => m == "wait", async _ =>
            {
                var (sender, self) = (Sender, Self);
                report.Tell("waiting");
                await gate;
                report.Tell($"waited, sender kept: {sender.Equals(Sender)}, self kept: {self.Equals(Self)}");
            });
            ReceiveAsync<string>(m => m == "fail later", async _ =>
            {
                await Task.Yield();
                throw new InvalidOperationException("told to fail");
            });
            ReceiveAsync<int>(async n =>
            {
                await Task.Yield();
                report.Tell(n);
            });
            ReceiveAny(report.Tell);
        }

        protected override void PreRestart(Exception reason, object message)
        {
            _report.Tell("restarting because of " + message);
            base.PreRestart(reason, message);
        }
    }
}
