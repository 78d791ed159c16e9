using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;
using Colo.Host.Tests.Cli;
using Colo.Vmm.Block;

namespace Colo.Host.Tests.Cluster;

/// <summary>The comparison of a pair's disks as an operator asks for it.</summary>
public sealed class DiskVerifyTests
{
    private const string WithDisk = """
        web {
          kernel = "KERNEL", memory = 16MiB, nodes = [node-a, node-b], disks = [{ path = "KERNEL", mode = replicated }]
        }

        """;

    [Fact]
    public async Task The_command_tells_whether_the_disks_are_equal_and_where_they_differ_first()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"], WithDisk);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await a.WhenAsync("web", EventCode.PairEstablished);
        await a.WhenAsync("/vms/web", vm => vm.GetProperty("protection").GetString() == "Protected");
        var whole = new DiskVerifyResult(BlockStatus.Ok, 1 << 20, 0, -1, 0, 7, 9);
        a.Machines["web"].Verified = new DiskVerifyReport(string.Empty, [(0, whole)]);
        var equal = await ColoCommand.RunAsync("disk", "verify", "web", "--url", a.Url);
        Assert.True(equal.Code == 0, equal.Error);
        const string found = "equal: 1048576 bytes of 1 disk compared, epochs 7 to 9";
        Assert.Contains(found, equal.Output, StringComparison.Ordinal);
        await a.WhenAsync("web", EventCode.VerifyEqual);

        DiskVerifyResult other = whole with { DifferentBytes = 131072, FirstOffset = 65536, FirstLength = 65536 };
        a.Machines["web"].Verified = new DiskVerifyReport(string.Empty, [(0, other)]);
        var differs = await ColoCommand.RunAsync("disk", "verify", "web", "--json", "--url", a.Url);
        Assert.Equal(1, differs.Code);
        JsonElement verify = ColoCommand.Json(differs.Output).GetProperty("verify");
        Assert.Equal("differs", verify.GetProperty("state").GetString());
        Assert.Equal(65536, verify.GetProperty("firstOffset").GetInt64());
        string? text = verify.GetProperty("text").GetString();
        Assert.Contains("disk 0 differs first at bytes 65536 to 131071", text, StringComparison.Ordinal);
        Assert.Equal("Error", (await a.WhenAsync("web", EventCode.VerifyDiffers)).Severity);

        a.Machines["web"].Verified = new DiskVerifyReport(
            "disk 0 after 65536 bytes: lost",
            [(0, whole with { Status = BlockStatus.PeerLost, ComparedBytes = 65536 })]);
        Assert.Equal(1, (await ColoCommand.RunAsync("disk", "verify", "web", "--url", a.Url)).Code);
        await a.WhenAsync("web", EventCode.VerifyAborted);

        var elsewhere = await ColoCommand.RunAsync("disk", "verify", "web", "--url", b.Url);
        Assert.Equal(3, elsewhere.Code);
        Assert.Contains("expected the primary of a protected pair", elsewhere.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_order_is_carried_out_once_and_refused_where_there_is_nothing_to_compare()
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        Assert.Equal(HttpStatusCode.NotFound, (await a.Http.PostAsync("/vms/nobody/disks/verify", null)).StatusCode);
        for (int time = 0; time < 2; time++)
        {
            HttpResponseMessage begun = await a.Http.PostAsync("/vms/web/disks/verify?command=one", null);
            Assert.Equal(HttpStatusCode.Accepted, begun.StatusCode);
            Assert.Equal("/commands/one", begun.Headers.Location!.ToString());
        }

        await a.WhenAsync("/commands/one", command => command.GetProperty("state").GetString() == "refused");
        Assert.Single(a.Runtime.Events.After(0), logged => logged.Code == (int)EventCode.CommandReceived);
        JsonElement disks = await a.Http.GetFromJsonAsync<JsonElement>("/vms/web/disks");
        Assert.Equal(JsonValueKind.Null, disks.GetProperty("verify").ValueKind);
    }
}
