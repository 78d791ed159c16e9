using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
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

    private static (SimulatedNode A, SimulatedNode B) TwoNodes(SimulationWorld world)
    {
        var (a, b) = (world.AddNode("a", Settings), world.AddNode("b", Settings));
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
