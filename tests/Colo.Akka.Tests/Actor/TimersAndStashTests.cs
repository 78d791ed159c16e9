using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Configs;

namespace Colo.Akka.Tests.Actor;

public sealed class TimersAndStashTests : global::Akka.TestKit.Xunit2.TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public TimersAndStashTests()
        : base(TestConfigs.TestSchedulerConfig)
    {
    }

    private TestScheduler Clock => (TestScheduler)Sys.Scheduler;

    [Fact]
    public void A_single_timer_fires_once_at_its_time()
    {
        var actor = Timed();
        actor.Tell(new Do(t => t.StartSingleTimer("k", "tick", TimeSpan.FromSeconds(5))));
        ExpectMsg("done", Limit);
        Clock.Advance(TimeSpan.FromSeconds(4.9));
        ExpectNoMsg(100);
        Clock.Advance(TimeSpan.FromSeconds(0.1));
        ExpectMsg("tick", Limit);
        Clock.Advance(TimeSpan.FromSeconds(60));
        ExpectNoMsg(100);
    }

    [Fact]
    public void A_periodic_timer_fires_until_it_is_cancelled()
    {
        var actor = Timed();
        actor.Tell(new Do(t => t.StartPeriodicTimer("k", "tick", TimeSpan.FromSeconds(1))));
        ExpectMsg("done", Limit);
        for (var i = 0; i < 3; i++)
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            ExpectMsg("tick", Limit);
        }

        actor.Tell(new Do(t => t.Cancel("k")));
        ExpectMsg("done", Limit);
        Clock.Advance(TimeSpan.FromSeconds(10));
        ExpectNoMsg(100);
    }

    [Fact]
    public void A_message_of_a_cancelled_timer_that_is_already_in_the_mailbox_is_dropped()
    {
        var actor = Timed();
        actor.Tell(new Do(t => t.StartSingleTimer("k", "tick", TimeSpan.FromSeconds(1))));
        ExpectMsg("done", Limit);
        var inside = new TestLatch();
        var go = new TestLatch();
        actor.Tell(new Do(t =>
        {
            inside.CountDown();
            go.Ready(Limit);
            t.Cancel("k");
        }));
        inside.Ready(Limit);
        Clock.Advance(TimeSpan.FromSeconds(1));
        go.Open();
        ExpectMsg("done", Limit);
        ExpectNoMsg(200);
    }

    [Fact]
    public void Starting_a_key_again_replaces_its_timer()
    {
        var actor = Timed();
        actor.Tell(new Do(t =>
        {
            t.StartSingleTimer("k", "old", TimeSpan.FromSeconds(1));
            t.StartSingleTimer("k", "new", TimeSpan.FromSeconds(2));
        }));
        ExpectMsg("done", Limit);
        Clock.Advance(TimeSpan.FromSeconds(1));
        Clock.Advance(TimeSpan.FromSeconds(1));
        ExpectMsg("new", Limit);
    }

    [Fact]
    public void Timers_end_at_a_restart()
    {
        var actor = Timed();
        actor.Tell(new Do(t => t.StartPeriodicTimer("k", "tick", TimeSpan.FromSeconds(1))));
        ExpectMsg("done", Limit);
        EventFilter.Exception<InvalidOperationException>().ExpectOne(Limit, () => actor.Tell("fail"));
        actor.Tell(new Do(_ => { }));
        ExpectMsg("done", Limit);
        Clock.Advance(TimeSpan.FromSeconds(10));
        ExpectNoMsg(200);
    }

    [Fact]
    public void The_receive_timeout_fires_after_silence_and_again_and_not_before()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Impatient(TestActor)));
        ExpectMsg("started", Limit);
        Clock.Advance(TimeSpan.FromSeconds(0.9));
        actor.Tell("x");
        ExpectMsg("x", Limit);
        AwaitAssert(() =>
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            ExpectMsg("timeout", TimeSpan.FromSeconds(1));
        }, Limit);
        AwaitAssert(() =>
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            ExpectMsg("timeout", TimeSpan.FromSeconds(1));
        }, Limit);
    }

    [Fact]
    public void Stashed_messages_come_back_in_order_in_front_of_the_mailbox()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Stasher(TestActor)));
        actor.Tell("a");
        actor.Tell("b");
        actor.Tell("open");
        actor.Tell("c");
        ExpectMsg("a", Limit);
        ExpectMsg("b", Limit);
        ExpectMsg("c", Limit);
    }

    [Fact]
    public void Stashed_messages_survive_a_restart()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Stasher(TestActor)));
        actor.Tell("a");
        actor.Tell("b");
        EventFilter.Exception<InvalidOperationException>().ExpectOne(Limit, () => actor.Tell("fail"));
        actor.Tell("open");
        ExpectMsg("a", Limit);
        ExpectMsg("b", Limit);
    }

    [Fact]
    public void Stashing_the_same_message_twice_is_an_error()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Stasher(TestActor)));
        actor.Tell("twice");
        ExpectMsg("refused", Limit);
    }

    [Fact]
    public void A_full_stash_throws()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Stasher(TestActor)).WithStashCapacity(2));
        EventFilter.Exception<StashOverflowException>().ExpectOne(Limit, () =>
        {
            actor.Tell("a");
            actor.Tell("b");
            actor.Tell("c");
        });
    }

    private IActorRef Timed() => Sys.ActorOf(Props.Create(() => new TimedActor(TestActor)));

    private sealed record Do(Action<ITimerScheduler> What);

    private sealed class TimedActor(IActorRef report) : UntypedActor, IWithTimers
    {
        public ITimerScheduler Timers { get; set; } = null!;

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case Do order:
                    order.What(Timers);
                    report.Tell("done");
                    break;
                case "fail":
                    throw new InvalidOperationException("told to fail");
                default:
                    report.Tell(message);
                    break;
            }
        }
    }

    private sealed class Impatient : ReceiveActor
    {
        public Impatient(IActorRef report)
        {
            Receive<ReceiveTimeout>(_ => report.Tell("timeout"));
            ReceiveAny(report.Tell);
            SetReceiveTimeout(TimeSpan.FromSeconds(1));
            report.Tell("started");
        }
    }

    private sealed class Stasher : ReceiveActor, IWithUnboundedStash
    {
        public Stasher(IActorRef report)
        {
            Receive<string>(m => m == "open", _ =>
            {
                Become(() => ReceiveAny(report.Tell));
                Stash.UnstashAll();
            });
            Receive<string>(m => m == "fail", _ => throw new InvalidOperationException("told to fail"));
            Receive<string>(m => m == "twice", _ =>
            {
                Stash.Stash();
                try
                {
                    Stash.Stash();
                }
                catch (IllegalActorStateException)
                {
                    report.Tell("refused");
                }
            });
            ReceiveAny(_ => Stash.Stash());
        }

        public IStash Stash { get; set; } = null!;
    }
}
