using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Faults;
using Colo.Host.Tests.Cli;

namespace Colo.Host.Tests.Cluster;

/// <summary>Faults on an operator's order: only where they are allowed, and never without an end.</summary>
public sealed class FaultTests
{
    private const string Allowed = "drills { allowed = on }";

    private const string WithDisk =
        "web { kernel = \"KERNEL\", memory = 16MiB, nodes = [node-a], disks = [{ path = \"STATE/web.img\" }] }\n";

    [Theory]
    [InlineData("F19")]
    [InlineData("F20")]
    [InlineData("F21")]
    public async Task A_fault_of_disks_is_refused_where_no_disk_could_have_it(string fault)
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"), Allowed);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        string latency = fault == "F21" ? " --latency 5ms" : string.Empty;

        var refused = await RunAsync(a, $"fault inject {fault} --vm web{latency} --yes");

        Assert.Equal(3, refused.Code);
        Assert.Contains("has no disk", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_does_not_allow_drills_takes_no_fault()
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        a.Runtime.Faults.OnProcess = _ => Assert.Fail("the process was hit");
        foreach (string line in (string[])["F01", "F04", "F20 --vm web", "F30 --vm web", "F10 --peer witness"])
        {
            var refused = await RunAsync(a, $"fault inject {line} --yes");
            Assert.Equal(3, refused.Code);
            Assert.Contains("started without colo.drills.allowed", refused.Error, StringComparison.Ordinal);
        }

        Assert.DoesNotContain(a.Runtime.Events.After(0), logged => logged.Code == (int)EventCode.FaultInjected);
        Assert.Null(a.Runtime.Faults.DisksOf("web"));
        Assert.Contains("not allowed", (await RunAsync(a, "fault list")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("F99", "expected F01 to F40")]
    [InlineData("F25", "is not done for real here")]
    [InlineData("F20", "expected vm=NAME")]
    [InlineData("F09", "expected peer=NODE")]
    [InlineData("F21 --vm web --latency soon", "expected for example latency=50ms")]
    [InlineData("F04 --for 11m", "expected at most 10 min")]
    public async Task What_makes_no_sense_is_named_before_anything_happens(string line, string expected)
    {
        var wrong = await ColoCommand.RunAsync(
            [.. $"fault inject {line} --yes".Split(' '), "--url", "http://127.0.0.1:1"]);
        Assert.Equal(2, wrong.Code);
        Assert.Contains(expected, wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Faults_begin_and_end_as_events_by_their_time_or_by_order()
    {
        await using var cluster = new LoopbackCluster(["node-a"], WithDisk, Allowed);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        Assert.Equal(0, (await RunAsync(a, "fault inject F20 --vm web --for 10m --yes")).Code);
        Assert.True(a.Runtime.Faults.DisksOf("web")!.WritesFail);
        Assert.Equal(3, (await RunAsync(a, "fault inject F20 --vm web --yes")).Code);
        Assert.Equal(3, (await RunAsync(a, "fault inject F20 --vm nobody --yes")).Code);
        Assert.Equal(3, (await RunAsync(a, "fault inject F10 --peer nobody --yes")).Code);

        Assert.Equal(0, (await RunAsync(a, "fault inject F21 --vm web --latency 7ms --for 100ms --yes")).Code);
        string over = (await a.WhenAsync("web", EventCode.FaultEnded)).Summary;
        Assert.Contains("F21 is over", over, StringComparison.Ordinal);
        Assert.Equal(TimeSpan.Zero, a.Runtime.Faults.DisksOf("web")!.Latency);
        Assert.True(a.Runtime.Faults.DisksOf("web")!.WritesFail);

        JsonElement faults = await a.Http.GetFromJsonAsync<JsonElement>("/faults");
        Assert.Equal(
            ["over", "running"],
            faults.GetProperty("injections").EnumerateArray().Select(one => one.GetProperty("how").GetString()));
        Assert.Equal(0, (await RunAsync(a, "fault clear 1")).Code);
        Assert.False(a.Runtime.Faults.DisksOf("web")!.WritesFail);
        Assert.Equal(3, (await RunAsync(a, "fault clear 1")).Code);
        Assert.Equal(0, (await RunAsync(a, "fault clear")).Code);
        Assert.Equal(HttpStatusCode.BadRequest, (await a.Http.DeleteAsync("/faults/one")).StatusCode);
        Assert.Contains("F21", (await RunAsync(a, "fault list --json")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_throws_costs_this_host_the_vm_and_the_peer_goes_on()
    {
        await using LoopbackCluster cluster = await StartedPairAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        // Asked of one node, done on the other.
        HttpResponseMessage answer = await b.Http.PostAsync("/faults/F30?vm=web&host=node-a", null);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        await a.WhenAsync("web", EventCode.FaultInjected);
        await a.WhenAsync("web", EventCode.InvariantViolated);
        await a.StopAsync();
        await b.WhenAsync("web", EventCode.TookOver);
    }

    [Fact]
    public async Task A_drill_loses_the_primary_waits_until_the_vm_is_protected_again_and_is_kept()
    {
        await using LoopbackCluster cluster = await StartedPairAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await b.WhenAsync("/vms/web", vm => vm.GetProperty("protection").GetString() == "Protected");
        foreach (LoopbackNode node in new[] { a, b })
        {
            await node.WhenAsync(
                "/status", page => page.GetProperty("vms")[0].GetProperty("word").GetString() == "PROTECTED");
        }

        var primary = await RunAsync(a, "drill failover web --yes");
        Assert.Equal(3, primary.Code);
        Assert.Contains("expected Secondary", primary.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync(b, "drill failover web --kill cow --yes")).Code);
        Assert.Equal(2, (await RunAsync(b, "drill failover web --load cow --yes")).Code);

        // The process of the test goes on: the node ends instead, and comes back as its service would bring it.
        var back = new TaskCompletionSource();
        a.Runtime.Faults.OnProcess = order =>
        {
            Assert.Equal("F01", order.Fault);
            _ = Task.Run(async () =>
            {
                await a.StopAsync();
                await b.WhenAsync("web", EventCode.TookOver);
                await a.StartAsync();
                back.SetResult();
            });
        };
        var drill = await RunAsync(b, "drill failover web --kill process --yes");
        await back.Task.WaitAsync(TimeSpan.FromSeconds(90));
        Assert.True(drill.Code is 0 or 1, $"{drill.Code} {drill.Output} {drill.Error}");
        Assert.Contains("protected again", drill.Output, StringComparison.Ordinal);
        Assert.Contains("re-protected", drill.Output, StringComparison.Ordinal);
        Assert.Contains("load: none asked for", drill.Output, StringComparison.Ordinal);
        await b.WhenAsync("web", EventCode.DrillEnded);
        DrillReport kept = Assert.Single(b.Runtime.Drills.Reports);
        Assert.Equal(("process", "node-a", "node-b"), (kept.Kill, kept.Victim, kept.Survivor));
        Assert.NotNull(kept.ProtectedMs);
        Assert.Equal(kept, Assert.Single(new DrillJournal(cluster.StateOf("node-b")).Reports));
        Assert.Contains("node-a", (await RunAsync(b, "drill list")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("process", 400.0, 350.0, "passed")]
    [InlineData("process", 400.0, 1050.0, "over the limit")]
    [InlineData("pause", 400.0, 1050.0, "over the limit")]
    [InlineData("link", 600.0, 350.0, "over the limit")]
    [InlineData("link", 400.0, null, "passed")]
    public void A_drill_is_judged_by_the_limits_of_the_specification(
        string kill, double detect, double? gap, string outcome)
    {
        var report = new DrillReport(
            "web", kill, "a", "b", DateTimeOffset.UnixEpoch, detect, 10, 20, 5000, string.Empty, 1, gap, "passed",
            string.Empty);
        Assert.Equal(outcome, report.Judged().Outcome);
        Assert.Equal([detect, 10.0, 10.0, 4980.0], report.Phases().Select(phase => phase.Ms));
    }

    /// <summary>Two nodes that allow drills, and a VM whose primary is on the first.</summary>
    private static async Task<LoopbackCluster> StartedPairAsync()
    {
        var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"), Allowed);
        await cluster.StartAsync();
        await cluster["node-b"].WhenAsync("web", EventCode.PairEstablished);
        return cluster;
    }

    private static Task<(int Code, string Output, string Error)> RunAsync(LoopbackNode node, string line) =>
        ColoCommand.RunAsync([.. line.Split(' '), "--url", node.Url]);
}
