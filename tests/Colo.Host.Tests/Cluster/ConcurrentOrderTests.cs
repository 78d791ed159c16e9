using System.Net;
using System.Text.Json;
using Colo.Actors.Protocol;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// Orders of several operators at the same time, and a host that is lost meanwhile (F37): each order ends in done,
/// refused or failed, there is one owner all the time, and the pair is whole afterwards.
/// </summary>
public sealed class ConcurrentOrderTests
{
    private const int Rounds = 3;

    private static readonly string[] Orders =
    [
        "/vms/web/switchover", "/vms/web/drain", "/vms/web/checkpoint", "/vms/web/unprotect", "/vms/web/protect",
        "/vms/web/pause", "/vms/web/resume", "/vms/web/mode?mode=periodic", "/vms/web/mode?mode=colo",
        "/node/drain?host=node-a",
    ];

    [Fact]
    public async Task Orders_at_the_same_time_all_end_and_the_pair_is_whole_afterwards()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"), LoopbackCluster.AsksOften);
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await cluster.StartAsync();
        await WholeAsync(a, b);
        for (int round = 0; round < Rounds; round++)
        {
            var random = new Random(round);
            List<(LoopbackNode Node, Task End)> orders =
            [
                .. Orders.SelectMany(order => (LoopbackNode[])[a, b], (order, node) => (order, node))
                    .OrderBy(_ => random.Next()).Select(given => (given.node, EndsAsync(given.node, given.order))),
            ];
            bool loses = round == Rounds - 1;
            if (loses)
            {
                await b.StopAsync();
            }

            foreach ((LoopbackNode node, Task end) in orders)
            {
                try
                {
                    await end;
                }
                catch (Exception e) when (loses && node == b && e is HttpRequestException or OperationCanceledException)
                {
                    // The host's orders may end with it.
                }
            }

            if (loses)
            {
                await b.StartAsync();
            }

            foreach (LoopbackNode node in (LoopbackNode[])[a, b])
            {
                await EndsAsync(node, "/vms/web/resume");
                await EndsAsync(node, "/node/undrain");
                await EndsAsync(node, "/vms/web/protect");
            }

            await WholeAsync(a, b);
        }

        Assert.DoesNotContain(
            cluster.Nodes.SelectMany(node => node.Runtime.Events.After(0)),
            logged => logged.Code == (int)EventCode.InvariantViolated);
    }

    private static async Task EndsAsync(LoopbackNode node, string order)
    {
        HttpResponseMessage answer = await node.Http.PostAsync(order, null);
        Assert.True(
            answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.Conflict or HttpStatusCode.InternalServerError,
            $"{order} on {node.Name}: {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }

    private static async Task WholeAsync(LoopbackNode a, LoopbackNode b)
    {
        JsonElement here = await a.WhenAsync("/vms/web", IsProtected);
        JsonElement there = await b.WhenAsync(
            "/vms/web", page => IsProtected(page) && page.GetProperty("term").GetInt64() >= Term(here));
        here = await a.WhenAsync("/vms/web", page => IsProtected(page) && Term(page) >= Term(there));
        Assert.Equal(
            ["Primary", "Secondary"],
            ((JsonElement[])[here, there]).Select(page => page.GetProperty("role").GetString()).Order());
    }

    private static long Term(JsonElement page) => page.GetProperty("term").GetInt64();

    private static bool IsProtected(JsonElement page) => page.GetProperty("protection").GetString() == "Protected";
}
