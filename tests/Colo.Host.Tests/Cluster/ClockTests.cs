using Colo.Actors.Protocol;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// Clocks that go wrong (F07) and wall clocks that are set (F08) on the hosts of a pair and on the witness: nothing
/// follows but other times in the logs, because nobody compares one host's time with another's, and nobody waits by a
/// wall clock.
/// </summary>
public sealed class ClockTests
{
    private static readonly EventCode[] Broken =
    [
        EventCode.PeerLost, EventCode.FailoverStarted, EventCode.WentSolo, EventCode.Evicted,
        EventCode.ReplicaDiscarded, EventCode.InvariantViolated, EventCode.HostLost,
    ];

    [Fact]
    public async Task Clocks_that_drift_and_wall_clocks_that_are_set_change_nothing()
    {
        // Far more than a clock of a host ever does, and the two hosts' in opposite directions.
        var clocks = new Dictionary<string, BentTime>
        {
            ["node-a"] = new(20_000), ["node-b"] = new(-20_000), ["witness"] = new(0),
        };
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"), LoopbackCluster.AsksOften);
        foreach (LoopbackNode node in cluster.Nodes)
        {
            node.Time = clocks[node.Name];
        }

        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await a.WhenAsync("web", EventCode.PairEstablished);
        await b.WhenAsync("web", EventCode.PairEstablished);
        Dictionary<LoopbackNode, long> began =
            cluster.Nodes.ToDictionary(node => node, node => node.Runtime.Events.LastId);
        foreach (TimeSpan step in (TimeSpan[])[TimeSpan.FromHours(-2), TimeSpan.FromDays(400)])
        {
            foreach (LoopbackNode node in cluster.Nodes)
            {
                clocks[node.Name].Step(step);
                await WorksAsync(a, b);
            }
        }

        DateTimeOffset last = a.Runtime.Events.After(0)[^1].Time;
        Assert.True(last > DateTimeOffset.UtcNow.AddDays(300), $"the events of node-a are of {last}");
        foreach (LoopbackNode node in cluster.Nodes)
        {
            Assert.DoesNotContain(
                node.Runtime.Events.After(began[node]), logged => Broken.Contains((EventCode)logged.Code));
        }
    }

    /// <summary>The roles are exchanged, and a checkpoint is taken and loaded.</summary>
    private static async Task WorksAsync(LoopbackNode a, LoopbackNode b)
    {
        LoopbackNode primary = IsPrimary(a) ? a : b;
        LoopbackNode secondary = primary == a ? b : a;
        (long here, long there) = (primary.Runtime.Events.LastId, secondary.Runtime.Events.LastId);
        await OrderAsync(primary, "/vms/web/switchover");
        await primary.WhenAsync("web", EventCode.SwitchoverDone, here);
        await secondary.WhenAsync("web", EventCode.SwitchoverDone, there);
        (here, there) = (primary.Runtime.Events.LastId, secondary.Runtime.Events.LastId);
        await OrderAsync(secondary, "/vms/web/checkpoint");
        await secondary.WhenAsync("web", EventCode.CheckpointCommitted, there);
        await primary.WhenAsync("web", EventCode.CheckpointLoaded, here);
    }

    private static bool IsPrimary(LoopbackNode node) => node.Runtime.Find("web")!.Status!.Role == VmRole.Primary;

    private static async Task OrderAsync(LoopbackNode node, string path)
    {
        HttpResponseMessage answer = await node.Http.PostAsync(path, null);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }
}
