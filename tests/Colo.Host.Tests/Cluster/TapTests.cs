using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Colo.Actors.Network;
using Colo.Actors.Protocol;
using Colo.Host.Tests.Cli;

namespace Colo.Host.Tests.Cluster;

/// <summary>The comparer's decisions as HTTP and the command line tell them.</summary>
public sealed class TapTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(90);

    [Theory]
    [InlineData("", "nic 3 epoch 0 Mismatch Timeout")]
    [InlineData(" --json", "\"reason\":\"Timeout\"")]
    public async Task The_command_prints_decisions_as_they_are_made(string format, string expected)
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        PacketTap tap = a.Machines["web"].Tap;
        var command = ColoCommand.RunAsync(
            [.. ("tap web --mismatch --limit 1" + format).Split(' '), "--url", a.Url]);
        Assert.True(SpinWait.SpinUntil(() => tap.IsHeard || command.IsCompleted, Hang));
        Assert.True(tap.IsHeard, command.IsCompleted ? (await command).Error : string.Empty);
        tap.Overdue(3, default, default);
        (int code, string output, string error) = await command.WaitAsync(Hang);
        Assert.True(code == 0, error);
        Assert.Contains(expected, output, StringComparison.Ordinal);
        Assert.True(SpinWait.SpinUntil(() => !tap.IsHeard, Hang));

        JsonElement packets = await a.Http.GetFromJsonAsync<JsonElement>("/vms/web/packets");
        Assert.Equal(1, packets.GetProperty("byReason").GetProperty("Timeout").GetInt32());
        Assert.Equal("Mismatch", packets.GetProperty("mismatches")[0].GetProperty("word").GetString());
        Assert.True(packets.GetProperty("compares").GetBoolean());
    }

    [Fact]
    public async Task An_unknown_vm_or_limit_is_named()
    {
        await using var cluster = new LoopbackCluster(["node-a"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        Assert.Equal(HttpStatusCode.NotFound, (await a.Http.GetAsync("/vms/nobody/tap")).StatusCode);
        var unknown = await ColoCommand.RunAsync("tap", "nobody", "--url", a.Url);
        Assert.Equal(1, unknown.Code);
        Assert.Contains("'nobody'", unknown.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await ColoCommand.RunAsync("tap", "web", "--limit", "0", "--url", a.Url)).Code);
    }
}
