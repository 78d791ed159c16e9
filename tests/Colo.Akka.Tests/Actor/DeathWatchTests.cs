using Akka.Actor;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class DeathWatchTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_watcher_hears_of_the_death_once()
    {
        var actor = Idle();
        Watch(actor);
        Watch(actor);
        Sys.Stop(actor);
        var terminated = ExpectTerminated(actor, Limit);
        Assert.True(terminated.ExistenceConfirmed);
        Assert.False(terminated.AddressTerminated);
        Watch(Idle());
        ExpectNoMsg(100);
    }

    [Fact]
    public void Watching_an_actor_that_has_stopped_tells_at_once()
    {
        var actor = Idle();
        Watch(actor);
        Sys.Stop(actor);
        ExpectTerminated(actor, Limit);
        Watch(actor);
        ExpectTerminated(actor, Limit);
    }

    [Fact]
    public void Watching_a_path_where_nobody_ever_was_tells_that_existence_is_not_confirmed()
    {
        var nobody = ((ExtendedActorSystem)Sys).Provider.ResolveActorRef(Sys.ActorOf<Silent>("x").Path.Parent! / "nobody");
        Watch(nobody);
        Assert.False(ExpectTerminated(nobody, Limit).ExistenceConfirmed);
    }

    [Fact]
    public void After_unwatch_nothing_arrives_even_when_the_notice_was_already_on_its_way()
    {
        var actor = Idle();
        var watcher = Sys.ActorOf(Props.Create(() => new FickleWatcher(TestActor)));
        watcher.Tell(actor);
        ExpectMsg("watching", Limit);
        watcher.Tell("stop and unwatch");
        ExpectMsg("unwatched", Limit);
        ExpectNoMsg(200);
    }

    [Fact]
    public void WatchWith_delivers_the_message_instead()
    {
        var actor = Idle();
        var watcher = Sys.ActorOf(Props.Create(() => new CustomWatcher(TestActor, actor)));
        ExpectMsg("watching", Limit);
        Sys.Stop(actor);
        ExpectMsg("gone", Limit);
        Assert.NotNull(watcher);
    }

    [Fact]
    public void An_unhandled_Terminated_kills_the_watcher()
    {
        var actor = Idle();
        var watcher = Sys.ActorOf(Props.Create(() => new CarelessWatcher(TestActor, actor)));
        ExpectMsg("watching", Limit);
        Watch(watcher);
        EventFilter.Exception<DeathPactException>().ExpectOne(Limit, () => Sys.Stop(actor));
        ExpectTerminated(watcher, Limit);
    }

    [Fact]
    public async Task WatchAsync_is_true_when_the_actor_stops_and_false_when_cancelled()
    {
        var actor = Idle();
        using var cancelled = new CancellationTokenSource();
        var given = actor.WatchAsync(cancelled.Token);
        await cancelled.CancelAsync();
        Assert.False(await given.WaitAsync(Limit));
        var stopped = actor.WatchAsync();
        Sys.Stop(actor);
        Assert.True(await stopped.WaitAsync(Limit));
    }

    [Fact]
    public async Task GracefulStop_is_true_when_the_actor_has_stopped()
    {
        Assert.True(await Idle().GracefulStop(Limit));
    }

    [Fact]
    public async Task GracefulStop_is_cancelled_when_the_actor_does_not_stop_in_time()
    {
        await Assert.ThrowsAsync<TaskCanceledException>(
            () => Idle().GracefulStop(TimeSpan.FromMilliseconds(50), "not a stop message"));
    }

    private IActorRef Idle() => Sys.ActorOf(Props.Create(() => new Silent()));

    private sealed class Silent : UntypedActor
    {
        protected override void OnReceive(object message)
        {
        }
    }

    private sealed class FickleWatcher(IActorRef report) : UntypedActor
    {
        private IActorRef? _watched;

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case IActorRef actor:
                    _watched = Context.Watch(actor);
                    report.Tell("watching");
                    break;
                case Terminated:
                    report.Tell("heard of it");
                    break;
                default:
                    Context.Stop(_watched!);
                    _watched!.GracefulStop(TimeSpan.FromSeconds(30)).Wait();
                    Context.Unwatch(_watched!);
                    report.Tell("unwatched");
                    break;
            }
        }
    }

    private sealed class CustomWatcher(IActorRef report, IActorRef watched) : UntypedActor
    {
        protected override void PreStart()
        {
            Context.WatchWith(watched, "gone");
            report.Tell("watching");
        }

        protected override void OnReceive(object message) => report.Tell(message);
    }

    private sealed class CarelessWatcher : ReceiveActor
    {
        public CarelessWatcher(IActorRef report, IActorRef watched)
        {
            Context.Watch(watched);
            Receive<string>(_ => { });
            report.Tell("watching");
        }
    }
}
