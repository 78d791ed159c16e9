using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;

namespace Colo.Akka.Tests.Actor;

public sealed class DispatcherTests : global::Akka.TestKit.Xunit2.TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public DispatcherTests()
        : base(ConfigurationFactory.ParseString(
            """
            own-thread { type = PinnedDispatcher }
            few-threads { type = ForkJoinDispatcher, throughput = 3, dedicated-thread-pool { thread-count = 2 } }
            akka.actor.deployment { /configured { dispatcher = few-threads } }
            """))
    {
    }

    [Fact]
    public void A_pinned_actor_always_runs_on_its_own_thread()
    {
        var first = Sys.ActorOf(Props.Create(() => new ThreadTeller()).WithDispatcher("own-thread"));
        var second = Sys.ActorOf(Props.Create(() => new ThreadTeller()).WithDispatcher("own-thread"));
        var threads = Enumerable.Range(0, 20).Select(_ => ThreadOf(first)).ToHashSet();
        Assert.Single(threads);
        Assert.DoesNotContain(ThreadOf(second), threads);
        Assert.DoesNotContain(Environment.CurrentManagedThreadId, threads);
    }

    [Fact]
    public void The_calling_thread_dispatcher_handles_before_Tell_returns()
    {
        var actor = Sys.ActorOf(Props.Create(() => new ThreadTeller()).WithDispatcher(CallingThreadDispatcher.Id));
        actor.Tell("where");
        Assert.True(HasMessages);
        ExpectMsg(Environment.CurrentManagedThreadId, Limit);
    }

    [Fact]
    public void A_deployment_section_chooses_the_dispatcher_by_path()
    {
        var actor = Sys.ActorOf(Props.Create(() => new DispatcherTeller()), "configured");
        actor.Tell("which");
        ExpectMsg("few-threads", Limit);
    }

    [Fact]
    public void Actors_that_block_on_their_own_dispatcher_do_not_starve_the_others()
    {
        var blocked = new TestLatch();
        for (var i = 0; i < 2; i++)
        {
            Sys.ActorOf(Props.Create(() => new Blocker(blocked)).WithDispatcher("few-threads")).Tell("block");
        }

        Sys.ActorOf(Props.Create(() => new ThreadTeller())).Tell("where");
        ExpectMsg<int>(Limit);
        blocked.Open();
    }

    [Fact]
    public void An_unknown_dispatcher_is_named_in_the_error()
    {
        var e = Assert.Throws<ConfigurationException>(
            () => Sys.ActorOf(Props.Create(() => new ThreadTeller()).WithDispatcher("no-such")));
        Assert.Contains("no-such", e.Message, StringComparison.Ordinal);
    }

    private int ThreadOf(IActorRef actor)
    {
        actor.Tell("where");
        return ExpectMsg<int>(Limit);
    }

    private sealed class ThreadTeller : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(Environment.CurrentManagedThreadId);
    }

    private sealed class DispatcherTeller : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(Context.Dispatcher.Id);
    }

    private sealed class Blocker(TestLatch latch) : UntypedActor
    {
        protected override void OnReceive(object message) => latch.Ready(TimeSpan.FromSeconds(30));
    }
}
