using Akka.Actor;
using Akka.Remote;

namespace Colo.Akka.Tests.Remote;

public class RemoteDeathWatchTests
{
    private static readonly TimeSpan Bound = RemoteSystems.HangBound;

    [Fact]
    public async Task Notices_that_a_remote_actor_stops()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", RemoteSystems.Patient);
        var b = systems.Create("b", RemoteSystems.Patient);
        var target = b.ActorOf(Props.Create(() => new Echo()), "echo");
        var watcher = new Inboxed(a);
        var remote = await RemoteSystems.Resolve(a, b, "/user/echo");
        await watcher.Ref.Ask<string>(new Collector.WatchIt(remote), Bound);
        // Behind the watch on the same way, so the watch is there when it is answered.
        await remote.Ask<string>("there", Bound);
        b.Stop(target);
        var terminated = await watcher.Next<Terminated>();
        Assert.Equal(remote, terminated.ActorRef);
        Assert.True(terminated.ExistenceConfirmed);
        Assert.False(terminated.AddressTerminated);
    }

    [Fact]
    public async Task Notices_at_once_that_the_actor_is_already_gone()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        var target = b.ActorOf(Props.Create(() => new Echo()), "echo");
        var remote = await RemoteSystems.Resolve(a, b, "/user/echo");
        await target.GracefulStop(Bound);
        var watcher = new Inboxed(a);
        await watcher.Ref.Ask<string>(new Collector.WatchIt(remote), Bound);
        Assert.Equal(remote, (await watcher.Next<Terminated>()).ActorRef);
    }

    [Fact]
    public async Task Notices_that_the_other_system_shuts_down()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        var watcher = new Inboxed(a);
        var remote = await RemoteSystems.Resolve(a, b, "/user/echo");
        await watcher.Ref.Ask<string>(new Collector.WatchIt(remote), Bound);
        await b.Terminate().WaitAsync(Bound);
        Assert.Equal(remote, (await watcher.Next<Terminated>()).ActorRef);
    }

    [Fact]
    public async Task Gives_a_silent_node_up_and_quarantines_it()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        var events = new Inboxed(a);
        a.EventStream.Subscribe(events.Ref, typeof(QuarantinedEvent));
        var watcher = new Inboxed(a);
        var remote = await RemoteSystems.Resolve(a, b, "/user/echo");
        await watcher.Ref.Ask<string>(new Collector.WatchIt(remote), Bound);
        await remote.Ask<string>("alive", Bound);
        // Its remote watcher answers no more: to the other side that is a node whose process hangs.
        b.ActorSelection("/system/remote-watcher").Tell(PoisonPill.Instance);
        var terminated = await watcher.Next<Terminated>();
        Assert.True(terminated.AddressTerminated);
        Assert.Equal(RemoteSystems.AddressOf(b), (await events.Next<QuarantinedEvent>()).Address);
    }
}
