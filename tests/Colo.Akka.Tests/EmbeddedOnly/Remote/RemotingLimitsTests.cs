using Akka.Actor;
using Akka.Event;
using Akka.Remote.Serialization;
using Colo.Akka.Tests.Remote;

namespace Colo.Akka.Tests.EmbeddedOnly.Remote;

/// <summary>Where our remoting is stricter than Akka.NET's: bounds that are reported, types that must be bound, plain
/// text that must be asked for.</summary>
public class RemotingLimitsTests
{
    private static readonly TimeSpan Bound = RemoteSystems.HangBound;

    [Fact]
    public async Task Overflow_of_the_outbound_queue_becomes_dropped_dead_letters()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", "akka.remote { outbound-message-queue-size = 10, retry-gate-closed-for = 60s }");
        var dead = new Inboxed(a);
        a.EventStream.Subscribe(dead.Ref, typeof(AllDeadLetters));
        // Nobody accepts there, and a connection attempt takes at least one scheduling, so the queue fills first.
        var nobody = ((ExtendedActorSystem)a).Provider.ResolveActorRef("akka.tcp://b@127.0.0.1:1/user/x");
        for (var i = 0; i < 100_000; i++)
        {
            nobody.Tell(i);
        }

        var dropped = await dead.Next<Dropped>();
        Assert.Contains("queue", dropped.Reason, StringComparison.Ordinal);
        Assert.IsType<int>(dropped.Message);
    }

    [Fact]
    public async Task A_message_that_is_too_large_is_dropped_and_the_next_arrives()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        var dead = new Inboxed(a);
        a.EventStream.Subscribe(dead.Ref, typeof(AllDeadLetters));
        var received = new Inboxed(b, "sink");
        var sink = await RemoteSystems.Resolve(a, b, "/user/sink");
        sink.Tell(new byte[128_001]);
        sink.Tell(new byte[128_000]);
        Assert.Equal(128_000, ((byte[])await received.Next()).Length);
        Assert.Contains("128000", (await dead.Next<Dropped>()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_type_without_binding_does_not_cross()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        var dead = new Inboxed(a);
        a.EventStream.Subscribe(dead.Ref, typeof(Dropped));
        var received = new Inboxed(b, "sink");
        var sink = await RemoteSystems.Resolve(a, b, "/user/sink");
        sink.Tell(new Version(1, 2));
        sink.Tell("after");
        Assert.Equal("after", await received.Next());
        Assert.Contains("bound", (await dead.Next<Dropped>()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Plain_tcp_beyond_loopback_must_be_asked_for()
    {
        var systems = new RemoteSystems();
        var error = Assert.ThrowsAny<Exception>(() => systems.Create("a", "akka.remote.dot-netty.tcp.hostname = 0.0.0.0"));
        Assert.Contains("loopback", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_comes_back_as_a_known_exception_or_as_a_description()
    {
        await using var systems = new RemoteSystems();
        var a = systems.Create("a");
        var b = systems.Create("b");
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        var echo = await RemoteSystems.Resolve(a, b, "/user/echo");
        var known = await Assert.ThrowsAsync<InvalidOperationException>(
            () => echo.Ask<string>(new Status.Failure(new InvalidOperationException("no")), Bound));
        Assert.Equal("no", known.Message);
        var other = await Assert.ThrowsAsync<RemoteFailureException>(
            () => echo.Ask<string>(new Status.Failure(new Xunit.Sdk.XunitException("odd")), Bound));
        Assert.Equal("odd", other.RemoteMessage);
    }
}
