using Akka.Actor;
using Akka.Configuration;
using Akka.Remote;
using Akka.Simulation;
using Xunit.Abstractions;

namespace Colo.Akka.Tests.EmbeddedOnly.Simulation;

/// <summary>Remoting of the engine under faults, each scenario over many seeds.</summary>
public sealed class RemoteSimulationTests(ITestOutputHelper output)
{
    private const int Seeds = 60;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private static readonly Config Settings = ConfigurationFactory.ParseString(
        "akka { actor.provider = remote, loglevel = INFO, remote.retry-gate-closed-for = 1s }");

    [Fact]
    public void Messages_arrive_in_order_and_at_most_once_whatever_the_network_does() => SimulationSeeds.Check(
        output, Seeds,
        world =>
        {
            var (a, b) = TwoNodes(world);
            var received = new List<int>();
            b.System.ActorOf(Props.Create(() => new Collector(received)), "collector");
            var collector = a.System.ActorSelection($"{b.Address}/user/collector");
            for (var i = 0; i < 300; i++)
            {
                collector.Tell(i);
                world.RunFor(TimeSpan.FromMilliseconds(20));
            }

            world.RunFor(TimeSpan.FromSeconds(30));
            Assert.NotEmpty(received);
            Assert.Equal(received.Distinct().Order(), received);
        },
        new SimulationOptions
        {
            Network = new NetworkPolicy
            {
                DelayMax = TimeSpan.FromMilliseconds(50), LossProbability = 0.05, ResetProbability = 0.02,
            },
        });

    [Fact]
    public void Nothing_is_lost_between_two_nodes_that_stay_connected() => SimulationSeeds.Check(output, Seeds, world =>
    {
        var (a, b) = TwoNodes(world);
        var received = new List<int>();
        b.System.ActorOf(Props.Create(() => new Collector(received)), "collector");
        var collector = a.System.ActorSelection($"{b.Address}/user/collector");
        for (var i = 0; i < 500; i++)
        {
            collector.Tell(i);
        }

        world.Await("all messages", () => received.Count == 500, Limit);
        Assert.Equal(Enumerable.Range(0, 500), received);
    });

    [Theory]
    [InlineData("crash")]
    [InlineData("kill")]
    [InlineData("cut")]
    [InlineData("stop")]
    public void A_watcher_hears_of_a_remote_actor_however_it_ends(string end) => SimulationSeeds.Check(output, Seeds, world =>
    {
        var (a, b) = TwoNodes(world);
        var watched = b.System.ActorOf(Props.Create(() => new Collector(new List<int>())), "watched");
        var heard = new List<Terminated>();
        a.System.ActorOf(Props.Create(() => new Watcher($"{b.Address}/user/watched", heard)), "watcher");
        world.RunFor(TimeSpan.FromSeconds(10));
        Assert.Empty(heard);
        switch (end)
        {
            case "crash":
                b.Crash();
                break;
            case "kill":
                b.Kill();
                break;
            case "cut":
                world.Network.Partition([a], [b]);
                break;
            default:
                b.System.Stop(watched);
                break;
        }

        world.Await("Terminated", () => heard.Count > 0, Limit);
        world.RunFor(TimeSpan.FromSeconds(30));
        Assert.Single(heard);
    });

    [Fact]
    public void A_watcher_hears_of_an_actor_whose_node_has_started_again() => SimulationSeeds.Check(output, Seeds, world =>
    {
        var (a, b) = TwoNodes(world);
        b.System.ActorOf(Props.Create(() => new Collector(new List<int>())), "watched");
        var heard = new List<Terminated>();
        a.System.ActorOf(Props.Create(() => new Watcher($"{b.Address}/user/watched", heard)), "watcher");
        world.RunFor(TimeSpan.FromSeconds(10));
        b.Crash();
        world.RunFor(world.Random.Stream("down").Between(TimeSpan.FromMilliseconds(10), TimeSpan.FromSeconds(5)));
        b.Start(node => node.System.ActorOf(Props.Create(() => new Collector(new List<int>())), "watched"));
        world.Await("Terminated", () => heard.Count > 0, Limit);
    });

    [Fact]
    public void A_watcher_by_path_alone_hears_of_the_incarnation_that_ends() => SimulationSeeds.Check(output, Seeds, world =>
    {
        var (a, b) = TwoNodes(world);
        var watched = b.System.ActorOf(Props.Create(() => new Collector(new List<int>())), "watched");
        var heard = new List<Terminated>();
        a.System.ActorOf(Props.Create(() => new PathWatcher($"{b.Address}/user/watched", heard)), "watcher");
        world.RunFor(TimeSpan.FromSeconds(10));
        b.System.Stop(watched);
        world.Await("Terminated", () => heard.Count > 0, Limit);
        Assert.Equal(watched.Path.Uid, heard[0].ActorRef.Path.Uid);
    });

    [Fact]
    public void A_peer_that_is_gone_for_too_long_is_quarantined() => SimulationSeeds.Check(output, 20, world =>
    {
        var (a, b) = TwoNodes(world, "akka.remote.quarantine-after-silence = 10m");
        b.System.ActorOf(Props.Create(() => new Collector(new List<int>())), "collector");
        var seen = new List<QuarantinedEvent>();
        a.System.EventStream.Subscribe(
            a.System.ActorOf(Props.Create(() => new Listener(seen))), typeof(QuarantinedEvent));
        a.System.ActorSelection($"{b.Address}/user/collector").Tell(1);
        world.RunFor(TimeSpan.FromMinutes(1));
        var uid = AddressUidExtension.Uid(b.System);
        b.Kill();
        world.RunFor(TimeSpan.FromMinutes(9));
        Assert.Empty(seen);
        world.RunFor(TimeSpan.FromMinutes(3));
        Assert.Equal([uid], seen.Select(happened => happened.Uid));
    });

    [Fact]
    public void A_peer_that_acknowledges_no_system_message_is_quarantined() => SimulationSeeds.Check(output, 20, world =>
    {
        // The watch is sent again on each new connection; without one for three minutes it has failed.
        var (a, b) = TwoNodes(world, "akka.remote.watch-failure-detector.acceptable-heartbeat-pause = 1h");
        var seen = new List<QuarantinedEvent>();
        a.System.EventStream.Subscribe(
            a.System.ActorOf(Props.Create(() => new Listener(seen))), typeof(QuarantinedEvent));
        b.System.ActorOf(Props.Create(() => new Collector(new List<int>())), "watched");
        a.System.ActorSelection($"{b.Address}/user/watched").Tell(1);
        world.RunFor(TimeSpan.FromSeconds(10));
        world.Network.Cut(b, a);
        a.System.ActorOf(
            Props.Create(() => new PathWatcher($"{b.Address}/user/watched", new List<Terminated>())), "watcher");
        world.RunFor(TimeSpan.FromMinutes(2));
        Assert.Empty(seen);
        world.Await("the quarantine", () => seen.Count > 0, Limit);
        Assert.Equal(b.Address, seen[0].Address);
    });

    private static (SimulatedNode A, SimulatedNode B) TwoNodes(SimulationWorld world, string extra = "")
    {
        var config = ConfigurationFactory.ParseString(extra).WithFallback(Settings);
        var (a, b) = (world.AddNode("a", config), world.AddNode("b", config));
        a.Start();
        b.Start();
        return (a, b);
    }

    private sealed class Collector(List<int> received) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is int number)
            {
                received.Add(number);
            }
        }
    }

    private sealed class Listener(List<QuarantinedEvent> seen) : UntypedActor
    {
        protected override void OnReceive(object message) => seen.Add((QuarantinedEvent)message);
    }

    private sealed class PathWatcher : ReceiveActor
    {
        public PathWatcher(string path, List<Terminated> heard)
        {
            Context.Watch(((ExtendedActorSystem)Context.System).Provider.ResolveActorRef(path));
            Receive<Terminated>(heard.Add);
        }
    }

    private sealed class Watcher : ReceiveActor
    {
        public Watcher(string path, List<Terminated> heard)
        {
            Context.ActorSelection(path).Tell(new Identify(1));
            Receive<ActorIdentity>(identity => Context.Watch(identity.Subject));
            Receive<Terminated>(heard.Add);
        }
    }
}
