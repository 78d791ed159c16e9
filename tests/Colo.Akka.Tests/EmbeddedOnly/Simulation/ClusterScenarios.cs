using Akka.Cluster;
using Akka.Configuration;
using Akka.Simulation;
using ClusterOf = Akka.Cluster.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Simulation;

/// <summary>Clusters in simulated worlds: the pieces that scenarios are made of.</summary>
internal static class ClusterScenarios
{
    internal static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private const string Settings = """
        akka {
          actor.provider = cluster
          loglevel = INFO
          remote.retry-gate-closed-for = 1s
          cluster.split-brain-resolver.stable-after = 5s
        }
        """;

    /// <summary>Three nodes come up by their seed list, one crashes, is given up, and comes back as another
    /// incarnation.</summary>
    internal static void CrashAndRejoin(SimulationWorld world)
    {
        var nodes = Form(world, 3);
        var victim = nodes[world.Random.Stream("victim").Below(3)];
        var uid = ClusterOf.Get(victim.System).SelfUniqueAddress.Uid;
        victim.Crash();
        var left = nodes.Where(node => node != victim).ToList();
        AwaitMembers(world, left, 2);
        StartMember(victim, nodes);
        AwaitMembers(world, nodes, 3);
        Assert.NotEqual(uid, ClusterOf.Get(victim.System).SelfUniqueAddress.Uid);
    }

    internal static List<SimulatedNode> Form(SimulationWorld world, int count, string extra = "")
    {
        var config = ConfigurationFactory.ParseString(extra).WithFallback(ConfigurationFactory.ParseString(Settings));
        var nodes = Enumerable.Range(1, count).Select(number => world.AddNode("node" + number, config)).ToList();
        foreach (var node in nodes)
        {
            StartMember(node, nodes);
        }

        AwaitMembers(world, nodes, count);
        return nodes;
    }

    internal static void StartMember(SimulatedNode node, IReadOnlyList<SimulatedNode> seeds)
    {
        // The node itself first only where it may found the cluster: the first of the list.
        node.Start(started => ClusterOf.Get(started.System).JoinSeedNodes(seeds.Select(seed => seed.Address)));
    }

    /// <summary>Each of the nodes sees this many members Up and nobody unreachable.</summary>
    internal static void AwaitMembers(SimulationWorld world, IReadOnlyList<SimulatedNode> nodes, int count) => world.Await(
        () => $"{count} members at {string.Join(", ", nodes.Select(node => node.Name))}; they see {Views(nodes)}",
        () => nodes.All(node => State(node) is { } state && state.Members.Count == count && state.Unreachable.IsEmpty
            && state.Members.All(member => member.Status == MemberStatus.Up)),
        Limit);

    internal static ClusterEvent.CurrentClusterState State(SimulatedNode node) => ClusterOf.Get(node.System).State;

    internal static bool HasEnded(SimulatedNode node) => node.System.WhenTerminated.IsCompleted;

    private static string Views(IEnumerable<SimulatedNode> nodes) => string.Join("; ", nodes.Select(
        node => $"{node.Name}: [{string.Join(", ", State(node).Members)}] unreachable [{string.Join(", ", State(node).Unreachable)}]"));
}
