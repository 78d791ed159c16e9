using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Tests.Cli;
using Colo.Host.Tests.Cluster;

namespace Colo.Host.Tests.Faults;

/// <summary>A node that does not hear one of its peers, and hears it again. All nodes are this process here, so the
/// fault is the process's: what comes from the peer's listening address is lost.</summary>
[Collection("socket filters")]
public sealed class LinkFaultTests
{
    [Fact]
    public async Task A_link_is_down_while_the_fault_lasts_and_up_again_afterwards()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"], extra: "drills { allowed = on }");
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("/cluster/members", page => LinkTo(page, "node-b"));
        var injected = await ColoCommand.RunAsync(
            "fault", "inject", "F10", "--peer", "node-b", "--for", "10m", "--yes", "--url", a.Url);
        Assert.True(injected.Code == 0, injected.Error);
        await a.WhenAsync("/cluster/members", page => !LinkTo(page, "node-b"));
        Assert.Equal(0, (await ColoCommand.RunAsync("fault", "clear", "--url", a.Url)).Code);
        await a.WhenAsync(string.Empty, EventCode.FaultEnded);
        await a.WhenAsync("/cluster/members", page => LinkTo(page, "node-b"));
    }

    /// <summary>Whether node-a's own link to a peer is open.</summary>
    private static bool LinkTo(JsonElement page, string peer) => page.GetProperty("members").EnumerateArray()
        .Single(member => member.GetProperty("node").GetString() == peer)
        .GetProperty("linksUp").EnumerateArray().All(up => up.GetBoolean());
}
