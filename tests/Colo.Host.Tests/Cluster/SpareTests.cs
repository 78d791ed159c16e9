using System.Text.Json;
using Colo.Actors.Protocol;

namespace Colo.Host.Tests.Cluster;

/// <summary>More hosts than a pair needs: who becomes the second one, and who decides that.</summary>
public sealed class SpareTests
{
    [Fact]
    public async Task A_pair_whose_second_host_is_gone_for_good_goes_on_with_the_spare_that_has_the_most_memory()
    {
        string[] hosts = ["node-a", "node-b", "node-c", "node-d"];
        await using var cluster = new LoopbackCluster(hosts, LoopbackCluster.Vm("web", hosts));
        foreach ((string host, long free) in hosts.Zip((long[])[8, 6, 2, 4]))
        {
            cluster[host].Memory = () => (free << 30, 16L << 30);
        }

        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Protected");
        await a.WhenAsync("/status", page => page.GetProperty("members").EnumerateArray().All(
            member => member.GetProperty("facts").ValueKind == JsonValueKind.Object));

        // Wherever it is now: the operator says where it shall be.
        await OrderAsync(a, "/vms/web/protect?on=node-b");
        await a.WhenAsync("/vms/web", page => IsPairWith(page, "node-b"));

        long before = a.Runtime.Events.LastId;
        await cluster["node-b"].StopAsync();
        await a.WhenAsync("web", EventCode.PairEstablished, before);
        await a.WhenAsync("/vms/web", page => IsPairWith(page, "node-d"));

        await OrderAsync(a, "/vms/web/protect?on=node-c");
        await a.WhenAsync("/vms/web", page => IsPairWith(page, "node-c"));
        await a.WhenAsync("/status", page => page.GetProperty("members").EnumerateArray().All(
            member => member.GetProperty("node").GetString() != "node-b"
                || member.GetProperty("status").GetString() != "Up"));
        foreach (string refused in (string[])["node-a", "node-b", "node-z"])
        {
            HttpResponseMessage answer = await a.Http.PostAsync($"/vms/web/protect?on={refused}", null);
            Assert.Equal(System.Net.HttpStatusCode.Conflict, answer.StatusCode);
        }

        await a.WhenAsync("/vms/web", page => IsPairWith(page, "node-c"));
        Assert.All(
            hosts.SelectMany(host => cluster[host].Runtime.Events.After(0))
                .Where(logged => logged.Code == (int)EventCode.PairEstablished),
            logged => Assert.DoesNotMatch(@"pair (\S+)#\d+>\1#", logged.Summary));
    }

    private static bool IsPairWith(JsonElement page, string peer) =>
        page.GetProperty("protection").GetString() == "Protected" && page.GetProperty("peer").GetString() == peer;

    private static async Task OrderAsync(LoopbackNode node, string path)
    {
        HttpResponseMessage answer = await node.Http.PostAsync(path, null);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }
}
