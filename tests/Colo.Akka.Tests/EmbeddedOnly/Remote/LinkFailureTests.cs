using Akka.Actor;
using Akka.Event;
using Akka.Remote;
using Colo.Akka.Tests.Remote;

namespace Colo.Akka.Tests.EmbeddedOnly.Remote;

public class LinkFailureTests
{
    private static readonly TimeSpan Bound = RemoteSystems.HangBound;

    // Only the watch decides here how long silence is borne.
    private const string Patient = RemoteSystems.Patient;

    [Fact]
    public async Task Messages_wait_while_the_way_is_cut_and_arrive_in_order_afterwards()
    {
        using var network = new CutNetwork();
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", network.Setup("a"), Patient);
        var b = systems.Create("b", network.Setup("b"), Patient);
        var received = new Inboxed(b, "sink");
        var sink = await RemoteSystems.Resolve(a, b, "/user/sink");
        network.Cut([RemoteSystems.AddressOf(a)], [RemoteSystems.AddressOf(b)]);
        for (var i = 0; i < 1000; i++)
        {
            sink.Tell(i);
        }

        network.Mend();
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(i, await received.Next());
        }
    }

    [Fact]
    public async Task A_watched_node_behind_a_cut_is_given_up_and_quarantined()
    {
        using var network = new CutNetwork();
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", network.Setup("a"));
        var b = systems.Create("b", network.Setup("b"), Patient);
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        var remote = await RemoteSystems.Resolve(a, b, "/user/echo");
        var watcher = new Inboxed(a);
        var events = new Inboxed(a);
        var told = new Inboxed(b);
        a.EventStream.Subscribe(events.Ref, typeof(QuarantinedEvent));
        b.EventStream.Subscribe(told.Ref, typeof(ThisActorSystemQuarantinedEvent));
        await watcher.Ref.Ask<string>(new Collector.WatchIt(remote), Bound);
        await remote.Ask<string>("there", Bound);
        network.Cut([RemoteSystems.AddressOf(a)], [RemoteSystems.AddressOf(b)]);
        var terminated = await watcher.Next<Terminated>();
        Assert.True(terminated.AddressTerminated);
        Assert.Equal(AddressUidExtension.Uid(b), (await events.Next<QuarantinedEvent>()).Uid);

        // Mended too late: the incarnation stays given up, and it is told so when it calls.
        network.Mend();
        var dead = new Inboxed(a);
        a.EventStream.Subscribe(dead.Ref, typeof(DeadLetter));
        remote.Tell("too late");
        await dead.Next<DeadLetter>(letter => letter.Message is "too late");
        b.ActorSelection($"{RemoteSystems.AddressOf(a)}/user/x").Tell("hello?");
        Assert.Equal(RemoteSystems.AddressOf(a), (await told.Next<ThisActorSystemQuarantinedEvent>()).RemoteAddress);
    }

    [Fact]
    public async Task A_broken_connection_alone_does_not_end_a_watch()
    {
        using var network = new CutNetwork();
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", network.Setup("a"), Patient);
        var b = systems.Create("b", network.Setup("b"), Patient);
        var target = b.ActorOf(Props.Create(() => new Echo()), "echo");
        var remote = await RemoteSystems.Resolve(a, b, "/user/echo");
        var watcher = new Inboxed(a);
        await watcher.Ref.Ask<string>(new Collector.WatchIt(remote), Bound);
        await remote.Ask<string>("there", Bound);
        var lost = new Inboxed(b);
        b.EventStream.Subscribe(lost.Ref, typeof(DisassociatedEvent));
        ((RemoteActorRefProvider)((ExtendedActorSystem)b).Provider).Remoting.CloseInbound(RemoteSystems.AddressOf(a), AddressUidExtension.Uid(a));
        await lost.Next<DisassociatedEvent>();

        // The notification is a system message: it is sent again until it has arrived.
        b.Stop(target);
        Assert.Equal(remote, (await watcher.Next<Terminated>()).ActorRef);
    }

    [Fact]
    public async Task A_restarted_node_says_that_it_does_not_know_the_watched_actor()
    {
        using var network = new CutNetwork();
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", network.Setup("a"), Patient);
        var b = systems.Create("b", network.Setup("b"), Patient);
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        var address = RemoteSystems.AddressOf(b);
        var remote = await RemoteSystems.Resolve(a, b, "/user/echo");
        var watcher = new Inboxed(a);
        await watcher.Ref.Ask<string>(new Collector.WatchIt(remote), Bound);
        await remote.Ask<string>("there", Bound);
        network.Network.Remove(address, silently: false);
        var again = systems.Create("b", network.Setup("b", address.Port!.Value), Patient);
        again.ActorOf(Props.Create(() => new Echo()), "echo");
        Assert.Equal(remote, (await watcher.Next<Terminated>()).ActorRef);
        Assert.Equal("new", await (await RemoteSystems.Resolve(a, again, "/user/echo")).Ask<string>("new", Bound));
    }
}
