using Akka.Actor;
using Akka.Coordination;
using Colo.Akka.Tests.Cluster;
using Colo.Akka.Tests.EmbeddedOnly.Remote;
using ClusterOf = Akka.Cluster.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

public class PartitionTests
{
    private static readonly TimeSpan Bound = ClusterNodes.HangBound;

    private static List<Address> AddressesOf(IEnumerable<ActorSystem> systems) =>
        systems.Select(system => ClusterOf.Get(system).SelfAddress).ToList();

    private static async Task SplitAndExpect(string settings, int nodes, int left, bool leftSurvives, bool rightSurvives)
    {
        using var network = new CutNetwork();
        await using var cluster = new ClusterNodes { Transport = network.Setup("host") };
        var systems = await cluster.Form(nodes, ClusterNodes.Noticing + settings);
        var sides = new[] { (Systems: systems.Take(left).ToList(), Survives: leftSurvives), (Systems: systems.Skip(left).ToList(), Survives: rightSurvives) };
        network.Cut(AddressesOf(sides[0].Systems), AddressesOf(sides[1].Systems));
        foreach (var (side, survives) in sides)
        {
            foreach (var system in side)
            {
                if (survives)
                {
                    await ClusterNodes.Until(system, state => state.Members.Count == side.Count, $"{side.Count} members");
                }
                else
                {
                    await system.WhenTerminated.WaitAsync(Bound);
                }
            }
        }

        Assert.All(sides.Where(side => side.Survives).SelectMany(side => side.Systems), system => Assert.True(ClusterOf.Get(system).IsUp));
    }

    [Fact]
    public Task Keep_majority_keeps_the_larger_side() => SplitAndExpect("", nodes: 5, left: 2, leftSurvives: false, rightSurvives: true);

    [Fact]
    public Task Keep_oldest_keeps_the_side_of_the_first_node() => SplitAndExpect(
        "akka.cluster.split-brain-resolver.active-strategy = keep-oldest", nodes: 5, left: 2, leftSurvives: true, rightSurvives: false);

    [Fact]
    public Task Static_quorum_keeps_the_side_that_has_it() => SplitAndExpect(
        "akka.cluster.split-brain-resolver { active-strategy = static-quorum, static-quorum.quorum-size = 2 }",
        nodes: 3, left: 1, leftSurvives: false, rightSurvives: true);

    [Fact]
    public Task Down_all_keeps_nobody() => SplitAndExpect(
        "akka.cluster.split-brain-resolver.active-strategy = down-all", nodes: 3, left: 1, leftSurvives: false, rightSurvives: false);

    [Fact]
    public async Task Lease_majority_keeps_the_side_that_gets_the_lease()
    {
        MemoryLease.Reset("lease-majority-test");
        await SplitAndExpect(
            """
            akka.cluster.split-brain-resolver {
              active-strategy = lease-majority
              lease-majority {
                lease-implementation = test-lease
                lease-name = lease-majority-test
                acquire-lease-delay-for-minority = 5s
              }
            }
            test-lease.lease-class = "Colo.Akka.Tests.EmbeddedOnly.Cluster.MemoryLease, Colo.Akka.Tests"
            """,
            nodes: 3, left: 1, leftSurvives: false, rightSurvives: true);
    }

    [Fact]
    public async Task A_cut_that_mends_in_time_leaves_all_members()
    {
        using var network = new CutNetwork();
        await using var cluster = new ClusterNodes { Transport = network.Setup("host") };
        var systems = await cluster.Form(
            3, ClusterNodes.Noticing + "akka.cluster.split-brain-resolver.stable-after = 60s");
        network.Cut(AddressesOf(systems.Take(1)), AddressesOf(systems.Skip(1)));
        await ClusterNodes.Until(systems[0], state => state.Unreachable.Count == 2, "2 unreachable");
        await ClusterNodes.Until(systems[1], state => state.Unreachable.Count == 1, "1 unreachable");
        network.Mend();
        foreach (var system in systems)
        {
            await ClusterNodes.Until(system, state => state.Unreachable.IsEmpty && state.Members.Count == 3, "3 reachable members");
        }
    }
}

/// <summary>A lease kept in the process, for tests: by name, first come, first served.</summary>
public sealed class MemoryLease(LeaseSettings settings) : Lease(settings)
{
    private static readonly System.Collections.Concurrent.ConcurrentDictionary<string, string> Owners = new();

    public static void Reset(string name) => Owners.TryRemove(name, out _);

    public override Task<bool> Acquire() => Task.FromResult(Owners.GetOrAdd(Settings.LeaseName, Settings.OwnerName) == Settings.OwnerName);

    public override Task<bool> Acquire(Action<Exception> leaseLostCallback) => Acquire();

    public override Task<bool> Release() =>
        Task.FromResult(Owners.TryRemove(KeyValuePair.Create(Settings.LeaseName, Settings.OwnerName)));

    public override bool CheckLease() => Owners.TryGetValue(Settings.LeaseName, out var owner) && owner == Settings.OwnerName;
}
