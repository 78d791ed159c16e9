using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class MailboxTests : TestKit
{
    private const string Mailboxes =
        """
        bounded { mailbox-type = "Akka.Dispatch.BoundedMailbox", mailbox-capacity = 3, mailbox-push-timeout-time = 10ms }
        urgent-first { mailbox-type = "Colo.Akka.Tests.Actor.UrgentFirstMailbox, Colo.Akka.Tests" }
        """;

    public MailboxTests()
        : base(ConfigurationFactory.ParseString(Mailboxes))
    {
    }

    [Fact]
    public void Messages_of_one_sender_arrive_in_the_order_in_which_they_were_sent()
    {
        var counter = Sys.ActorOf(Props.Create(() => new OrderChecker(TestActor, 100_000)));
        for (var i = 0; i < 100_000; i++)
        {
            counter.Tell(i, ActorRefs.NoSender);
        }

        ExpectMsg("in order", TimeSpan.FromSeconds(60));
    }

    [Fact]
    public void Messages_of_many_senders_keep_the_order_of_each_pair_and_none_is_lost_or_doubled()
    {
        const int senders = 8, each = 20_000;
        var checker = Sys.ActorOf(Props.Create(() => new PairOrderChecker(TestActor, senders, each)));
        Parallel.For(0, senders, new ParallelOptions { MaxDegreeOfParallelism = senders }, sender =>
        {
            for (var i = 0; i < each; i++)
            {
                checker.Tell((sender, i), ActorRefs.NoSender);
            }
        });

        ExpectMsg("all in order", TimeSpan.FromSeconds(60));
    }

    [Fact]
    public void An_actor_handles_one_message_at_a_time()
    {
        var actor = Sys.ActorOf(Props.Create(() => new OverlapChecker(TestActor, 40_000)));
        Parallel.For(0, 4, _ =>
        {
            for (var i = 0; i < 10_000; i++)
            {
                actor.Tell("work", ActorRefs.NoSender);
            }
        });

        ExpectMsg("never two at once", TimeSpan.FromSeconds(60));
    }

    [Fact]
    public void A_stop_overtakes_the_user_messages_that_wait()
    {
        var started = CreateTestLatch();
        var go = CreateTestLatch();
        var actor = Sys.ActorOf(Props.Create(() => new Blocker(started, go, TestActor)));
        Watch(actor);
        actor.Tell("block");
        started.Ready(TimeSpan.FromSeconds(30));
        for (var i = 0; i < 100; i++)
        {
            actor.Tell(i);
        }

        Sys.Stop(actor);
        go.Open();
        ExpectTerminated(actor, TimeSpan.FromSeconds(30));
        Assert.False(HasMessages);
    }

    [Fact]
    public void A_poison_pill_waits_its_turn()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Reporter(TestActor)));
        Watch(actor);
        actor.Tell("a");
        actor.Tell("b");
        actor.Tell(PoisonPill.Instance);
        actor.Tell("c");
        ExpectMsg("a", TimeSpan.FromSeconds(30));
        ExpectMsg("b", TimeSpan.FromSeconds(30));
        ExpectTerminated(actor, TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void What_waits_in_the_mailbox_of_an_actor_that_stops_becomes_dead_letters()
    {
        var probe = CreateTestProbe();
        Sys.EventStream.Subscribe(probe.Ref, typeof(DeadLetter));
        var started = CreateTestLatch();
        var go = CreateTestLatch();
        var actor = Sys.ActorOf(Props.Create(() => new Blocker(started, go, TestActor)));
        actor.Tell("block");
        started.Ready(TimeSpan.FromSeconds(30));
        actor.Tell("first");
        actor.Tell("second");
        Sys.Stop(actor);
        go.Open();
        Assert.Equal("first", probe.ExpectMsg<DeadLetter>(TimeSpan.FromSeconds(30)).Message);
        Assert.Equal("second", probe.ExpectMsg<DeadLetter>(TimeSpan.FromSeconds(30)).Message);
    }

    [Fact]
    public void A_full_bounded_mailbox_turns_messages_into_dead_letters_after_the_push_timeout()
    {
        var probe = CreateTestProbe();
        Sys.EventStream.Subscribe(probe.Ref, typeof(DeadLetter));
        var started = CreateTestLatch();
        var go = CreateTestLatch();
        var actor = Sys.ActorOf(Props.Create(() => new Blocker(started, go, TestActor)).WithMailbox("bounded"));
        actor.Tell("block");
        started.Ready(TimeSpan.FromSeconds(30));
        for (var i = 1; i <= 4; i++)
        {
            actor.Tell(i);
        }

        Assert.Equal(4, probe.ExpectMsg<DeadLetter>(TimeSpan.FromSeconds(30)).Message);
        go.Open();
        ExpectMsg(1, TimeSpan.FromSeconds(30));
        ExpectMsg(2, TimeSpan.FromSeconds(30));
        ExpectMsg(3, TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void A_priority_mailbox_delivers_the_lowest_number_first()
    {
        var started = CreateTestLatch();
        var go = CreateTestLatch();
        var actor = Sys.ActorOf(Props.Create(() => new Blocker(started, go, TestActor)).WithMailbox("urgent-first"));
        actor.Tell("block");
        started.Ready(TimeSpan.FromSeconds(30));
        actor.Tell("plain 1");
        actor.Tell("urgent 1");
        actor.Tell("plain 2");
        actor.Tell("urgent 2");
        go.Open();
        Assert.Equal(
            ["urgent 1", "urgent 2", "plain 1", "plain 2"], ReceiveN(4, TimeSpan.FromSeconds(30)).Cast<string>());
    }

    private sealed class OrderChecker(IActorRef report, int count) : UntypedActor
    {
        private int _next;

        protected override void OnReceive(object message)
        {
            if ((int)message != _next++)
            {
                report.Tell($"got {message}, expected {_next - 1}");
            }
            else if (_next == count)
            {
                report.Tell("in order");
            }
        }
    }

    private sealed class PairOrderChecker(IActorRef report, int senders, int each) : UntypedActor
    {
        private readonly int[] _next = new int[senders];
        private int _left = senders * each;

        protected override void OnReceive(object message)
        {
            var (sender, number) = ((int, int))message;
            if (number != _next[sender]++)
            {
                report.Tell($"sender {sender}: got {number}, expected {_next[sender] - 1}");
            }
            else if (--_left == 0)
            {
                report.Tell("all in order");
            }
        }
    }

    private sealed class OverlapChecker(IActorRef report, int count) : UntypedActor
    {
        private int _inside;
        private int _seen;

        protected override void OnReceive(object message)
        {
            if (Interlocked.Increment(ref _inside) != 1)
            {
                report.Tell("two at once");
            }

            Interlocked.Decrement(ref _inside);
            if (++_seen == count)
            {
                report.Tell("never two at once");
            }
        }
    }

    private sealed class Reporter(IActorRef report) : UntypedActor
    {
        protected override void OnReceive(object message) => report.Tell(message);
    }

    private sealed class Blocker(global::Akka.TestKit.TestLatch started, global::Akka.TestKit.TestLatch go, IActorRef report)
        : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is "block")
            {
                started.CountDown();
                go.Ready(TimeSpan.FromSeconds(30));
            }
            else
            {
                report.Tell(message);
            }
        }
    }
}

public sealed class UrgentFirstMailbox(Settings settings, Config config) : UnboundedStablePriorityMailbox(settings, config)
{
    protected override int PriorityGenerator(object message) =>
        message is string text && text.StartsWith("urgent", StringComparison.Ordinal) ? 0 : 1;
}
