using Akka.Actor;
using Akka.Event;
using Akka.Remote;

namespace Colo.Akka.Tests.Remote;

public class RemotingTests
{
    private static readonly TimeSpan Bound = RemoteSystems.HangBound;

    [Fact]
    public async Task An_ask_is_answered_across_systems()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        var echo = await RemoteSystems.Resolve(a, b, "/user/echo");
        Assert.Equal(RemoteSystems.AddressOf(b), echo.Path.Address);
        Assert.Equal("hello", await echo.Ask<string>("hello", Bound));
        Assert.Equal(42, await echo.Ask<int>(42, Bound));
        Assert.Equal(1L << 40, await echo.Ask<long>(1L << 40, Bound));
    }

    [Fact]
    public async Task References_inside_messages_lead_back()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        var mine = new Inboxed(a, "mine");
        var echo = await RemoteSystems.Resolve(a, b, "/user/echo");
        var back = await echo.Ask<IActorRef>(mine.Ref, Bound);
        Assert.Equal(mine.Ref, back);
    }

    [Fact]
    public async Task Messages_of_a_pair_keep_their_order_under_load()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", "akka.remote.outbound-message-queue-size = 200000");
        var b = systems.Create("b");
        var received = new Inboxed(b, "sink");
        var sink = await RemoteSystems.Resolve(a, b, "/user/sink");
        const int count = 100_000;
        for (var i = 0; i < count; i++)
        {
            sink.Tell(i);
        }

        for (var i = 0; i < count; i++)
        {
            Assert.Equal(i, await received.Next());
        }
    }

    [Fact]
    public async Task A_message_to_an_unreachable_address_becomes_a_dead_letter()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var dead = new Inboxed(a);
        var events = new Inboxed(a);
        a.EventStream.Subscribe(dead.Ref, typeof(DeadLetter));
        a.EventStream.Subscribe(events.Ref, typeof(AssociationErrorEvent));
        ((ExtendedActorSystem)a).Provider.ResolveActorRef("akka.tcp://b@127.0.0.1:1/user/x").Tell("lost");
        await dead.Next<DeadLetter>(letter => letter.Message is "lost");
        Assert.Contains("gated", (await events.Next<AssociationErrorEvent>()).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bound_type_crosses_as_json()
    {
        const string binding = """akka.actor.serialization-bindings { "Colo.Akka.Tests.Remote.RemotingTests+Order, Colo.Akka.Tests" = json }""";
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", binding);
        var b = systems.Create("b", binding);
        var received = new Inboxed(b, "sink");
        var sink = await RemoteSystems.Resolve(a, b, "/user/sink");
        sink.Tell(new Order("milk", 2));
        Assert.Equal(new Order("milk", 2), await received.Next());
    }

    public sealed record Order(string What, int Count);

    [Fact]
    public async Task A_selection_reaches_actors_by_pattern()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        var one = new Inboxed(b, "sink-1");
        var two = new Inboxed(b, "sink-2");
        a.ActorSelection($"{RemoteSystems.AddressOf(b)}/user/sink-*").Tell("all");
        Assert.Equal("all", await one.Next());
        Assert.Equal("all", await two.Next());
    }

    [Fact]
    public async Task Identify_of_a_missing_actor_answers_with_nobody()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        var identity = await a.ActorSelection($"{RemoteSystems.AddressOf(b)}/user/none").Ask<ActorIdentity>(new Identify("id"), Bound);
        Assert.Equal(("id", null), (identity.MessageId, identity.Subject));
        await Assert.ThrowsAsync<ActorNotFoundException>(
            () => a.ActorSelection($"{RemoteSystems.AddressOf(b)}/user/none").ResolveOne(Bound));
    }

    [Fact]
    public async Task Stopping_a_remote_actor_stops_it()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        var target = b.ActorOf(Props.Create(() => new Echo()), "echo");
        var watcher = new Inboxed(b);
        await watcher.Ref.Ask<string>(new Collector.WatchIt(target), Bound);
        var echo = await RemoteSystems.Resolve(a, b, "/user/echo");
        echo.Tell(PoisonPill.Instance);
        Assert.Equal(target, ((Terminated)await watcher.Next()).ActorRef);
    }

    [Fact]
    public async Task Lifecycle_events_are_on_the_event_stream()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        var events = new Inboxed(a);
        a.EventStream.Subscribe(events.Ref, typeof(RemotingLifecycleEvent));
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        await (await RemoteSystems.Resolve(a, b, "/user/echo")).Ask<string>("x", Bound);
        var associated = await events.Next<AssociatedEvent>();
        Assert.Equal(RemoteSystems.AddressOf(b), associated.RemoteAddress);
        await b.Terminate().WaitAsync(Bound);
        Assert.Equal(RemoteSystems.AddressOf(b), (await events.Next<DisassociatedEvent>()).RemoteAddress);
    }

    [Fact]
    public void A_port_that_is_taken_is_a_clear_error()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        // Even one that would share it.
        taken.Server.SetSocketOption(
            System.Net.Sockets.SocketOptionLevel.Socket, System.Net.Sockets.SocketOptionName.ReuseAddress, true);
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port;
        var systems = new RemoteSystems();
        var error = Assert.ThrowsAny<Exception>(() => systems.Create("a", $"akka.remote.dot-netty.tcp.port = {port}"));
        Assert.Contains(port.ToString(), error.ToString(), StringComparison.Ordinal);
    }
}
