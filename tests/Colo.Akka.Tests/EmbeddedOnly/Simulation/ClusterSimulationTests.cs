using Akka.Actor;
using Akka.Coordination;
using Akka.Simulation;
using Xunit.Abstractions;
using ClusterOf = Akka.Cluster.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Simulation;

/// <summary>The cluster of the engine under faults, each scenario over many seeds.</summary>
public sealed class ClusterSimulationTests(ITestOutputHelper output)
{
    private const int Seeds = 40;
    private const int SeedsOfSizes = 2;

    private static readonly NetworkPolicy Bad = new()
    {
        DelayMax = TimeSpan.FromMilliseconds(80),
        LossProbability = 0.02,
        ResetProbability = 0.003,
    };

    [Fact]
    public void Three_nodes_form_one_cluster_whoever_is_first() =>
        SimulationSeeds.Check(output, Seeds, world =>
        {
            var nodes = ClusterScenarios.Form(world, 3);
            Assert.Single(nodes.Select(node => ClusterScenarios.State(node).Leader).Distinct());
        });

    [Fact]
    public void A_cluster_forms_over_a_network_that_loses_packets_and_connections() =>
        SimulationSeeds.Check(
            output, Seeds, world => ClusterScenarios.Form(world, 3, LongPatience), new SimulationOptions { Network = Bad });

    [Fact]
    public void A_crashed_node_is_given_up_and_comes_back_as_another() =>
        SimulationSeeds.Check(output, Seeds, ClusterScenarios.CrashAndRejoin);

    [Fact]
    public void Keep_majority_ends_the_minority_and_keeps_the_rest() => SimulationSeeds.Check(output, Seeds, world =>
    {
        var nodes = ClusterScenarios.Form(world, 3);
        var alone = nodes[world.Random.Stream("cut").Below(3)];
        var rest = nodes.Where(node => node != alone).ToList();
        world.Network.Partition([alone], rest);
        world.Await("the end of the minority", () => ClusterScenarios.HasEnded(alone), ClusterScenarios.Limit);
        ClusterScenarios.AwaitMembers(world, rest, 2);
        world.Network.Heal();
        world.RunFor(TimeSpan.FromSeconds(30));
        Assert.All(rest, node => Assert.Equal(2, ClusterScenarios.State(node).Members.Count));
    });

    [Theory]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(16)]
    public void From_two_to_sixteen_nodes_all_come_up_and_after_a_cut_the_larger_side_goes_on(int count) =>
        SimulationSeeds.Check(output, SeedsOfSizes, world =>
        {
            var nodes = ClusterScenarios.Form(world, count);
            Assert.Single(nodes.Select(node => ClusterScenarios.State(node).Leader).Distinct());

            // Of two, the one with the lowest address is the majority, and that is the first.
            var (larger, smaller) = (nodes.Take((count / 2) + (count % 2)).ToList(), nodes.Skip((count / 2) + (count % 2)).ToList());
            if (count > 2 && count % 2 == 0)
            {
                larger.Add(smaller[0]);
                smaller.RemoveAt(0);
            }

            world.Network.Partition(smaller, larger);
            world.Await("the end of the smaller side", () => smaller.All(ClusterScenarios.HasEnded), ClusterScenarios.Limit);
            ClusterScenarios.AwaitMembers(world, larger, larger.Count);
        });

    [Fact]
    public void Lease_majority_leaves_exactly_the_side_that_has_the_lease() => SimulationSeeds.Check(output, Seeds, world =>
    {
        SimulatedLease.Reset();
        var nodes = ClusterScenarios.Form(world, 4, SimulatedLease.Section);
        var (left, right) = (nodes.Take(2).ToList(), nodes.Skip(2).ToList());
        world.Network.Partition(left, right);
        world.Await(
            "the end of one side", () => left.All(ClusterScenarios.HasEnded) || right.All(ClusterScenarios.HasEnded),
            ClusterScenarios.Limit);
        var winners = left.All(ClusterScenarios.HasEnded) ? right : left;
        ClusterScenarios.AwaitMembers(world, winners, 2);
        world.RunFor(TimeSpan.FromSeconds(30));
        Assert.DoesNotContain(winners, ClusterScenarios.HasEnded);
    });

    [Fact]
    public void A_short_cut_leaves_everybody_in() => SimulationSeeds.Check(output, Seeds, world =>
    {
        var nodes = ClusterScenarios.Form(world, 3, LongPatience);
        world.Network.Partition([nodes[0]], nodes.Skip(1));
        world.Await(
            "the cut to be noticed", () => nodes.All(node => !ClusterScenarios.State(node).Unreachable.IsEmpty),
            ClusterScenarios.Limit);
        world.Network.Heal();
        ClusterScenarios.AwaitMembers(world, nodes, 3);
    });

    [Fact]
    public void A_node_that_leaves_is_removed_everywhere_and_ends() => SimulationSeeds.Check(output, Seeds, world =>
    {
        var nodes = ClusterScenarios.Form(world, 3);
        var leaver = nodes[world.Random.Stream("leaver").Below(3)];
        var left = ClusterOf.Get(leaver.System).LeaveAsync();
        world.Await("the leave", () => left.IsCompletedSuccessfully, ClusterScenarios.Limit);
        world.Await("the end of the system", () => ClusterScenarios.HasEnded(leaver), ClusterScenarios.Limit);
        ClusterScenarios.AwaitMembers(world, nodes.Where(node => node != leaver).ToList(), 2);
    });

    [Fact]
    public void Random_faults_never_leave_two_clusters_behind() => SimulationSeeds.Check(output, Seeds, world =>
    {
        var random = world.Random.Stream("faults");
        var nodes = ClusterScenarios.Form(world, 5);
        for (var fault = 0; fault < 4; fault++)
        {
            Harm(world, nodes, random);
            world.RunFor(random.Between(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(20)));
        }

        world.Network.Heal();
        world.RunFor(TimeSpan.FromMinutes(2));
        var alive = nodes.Where(node => node.IsRunning && !ClusterScenarios.HasEnded(node)).ToList();
        Assert.All(alive, node => Assert.Equal(
            alive.Select(other => other.Address).Order(Address.Comparer),
            ClusterScenarios.State(node).Members.Select(member => member.Address).Order(Address.Comparer)));
    });

    private const string LongPatience = "akka.cluster.split-brain-resolver { stable-after = 100s, down-all-when-unstable = off }";

    private static void Harm(SimulationWorld world, List<SimulatedNode> nodes, SimulationRandom random)
    {
        var victim = nodes[random.Below(nodes.Count)];
        switch (random.Below(4))
        {
            case 0:
                victim.Crash();
                break;
            case 1 when victim.IsRunning:
                victim.Pause(random.Between(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30)));
                break;
            case 2:
                world.Network.Heal();
                break;
            default:
                world.Network.Partition([victim], nodes.Where(node => node != victim));
                break;
        }
    }
}

/// <summary>A lease that the whole world can reach: first come, first served. One world runs at a time on a
/// thread.</summary>
public sealed class SimulatedLease(LeaseSettings settings) : Lease(settings)
{
    internal const string Section = """
        akka.cluster.split-brain-resolver {
          active-strategy = lease-majority
          lease-majority { lease-implementation = simulated-lease, lease-name = one, acquire-lease-delay-for-minority = 2s }
        }
        simulated-lease.lease-class = "Colo.Akka.Tests.EmbeddedOnly.Simulation.SimulatedLease, Colo.Akka.Tests"
        """;

    [ThreadStatic]
    private static string? t_owner;

    internal static void Reset() => t_owner = null;

    public override Task<bool> Acquire() => Task.FromResult((t_owner ??= Settings.OwnerName) == Settings.OwnerName);

    public override Task<bool> Acquire(Action<Exception> leaseLostCallback) => Acquire();

    public override Task<bool> Release()
    {
        var held = CheckLease();
        t_owner = held ? null : t_owner;
        return Task.FromResult(held);
    }

    public override bool CheckLease() => t_owner == Settings.OwnerName;
}
