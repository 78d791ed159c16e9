using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Node;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// Three real nodes with scripted machines: what operators see while a VM is protected, loses a host, and comes back.
/// </summary>
public sealed class ClusterTests
{
    [Fact]
    public async Task The_front_page_says_protected_and_what_the_loss_of_each_host_would_mean()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await a.WhenAsync("web", EventCode.PairEstablished);
        await b.WhenAsync("web", EventCode.PairEstablished);
        foreach (LoopbackNode node in new[] { a, b })
        {
            JsonElement status = await node.WhenAsync(
                "/status", page => page.GetProperty("vms")[0].GetProperty("word").GetString() == "PROTECTED"
                && page.GetProperty("vms")[0].GetProperty("hosts").EnumerateArray()
                    .Count(row => row.GetProperty("toldMs").ValueKind == JsonValueKind.Number) == 2
                && page.GetProperty("vms")[0].GetProperty("hosts").GetArrayLength() == 3);
            JsonElement vm = status.GetProperty("vms")[0];
            Assert.Equal(
                ["node-a", "node-b"],
                vm.GetProperty("ifDied").EnumerateArray().Select(fate => fate.GetProperty("host").GetString()).Order());
            Assert.All(
                vm.GetProperty("ifDied").EnumerateArray(), fate =>
                Assert.True(fate.GetProperty("survives").GetBoolean()));
            Assert.Equal("node-a", vm.GetProperty("owner").GetString());
        }

        Assert.Equal(HttpStatusCode.OK, (await a.Http.GetAsync("/vms/web/protected")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await a.Http.GetAsync("/vms/web/primary")).StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await b.Http.GetAsync("/vms/web/primary")).StatusCode);
        Assert.Equal(
            HttpStatusCode.OK,
            (await b.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/vms/web/secondary"))).StatusCode);
        Assert.Equal(
            HttpStatusCode.ServiceUnavailable,
            (await b.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/vms/web/solo"))).StatusCode);
    }

    [Fact]
    public async Task Losing_the_primary_makes_a_report_and_the_members_tell_the_truth()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await b.WhenAsync("web", EventCode.PairEstablished);
        await b.WhenAsync("/cluster/members", page => Reachable(page, "node-a") && Reachable(page, "witness"));
        await a.StopAsync();
        await b.WhenAsync("web", EventCode.TookOver);
        await b.WhenAsync(string.Empty, EventCode.HostLost);
        await b.WhenAsync("/cluster/members", page => !Reachable(page, "node-a") && Reachable(page, "witness")
            && page.GetProperty("unreachable").EnumerateArray()
                .Any(entry => entry.GetProperty("node").GetString() == "node-a"));

        JsonElement status = await b.Http.GetFromJsonAsync<JsonElement>("/status");
        Assert.Equal("NOT PROTECTED", status.GetProperty("vms")[0].GetProperty("word").GetString());
        Assert.True(status.GetProperty("isDegraded").GetBoolean());
        long before = b.Runtime.Events.LastId;
        FailoverReport report = Assert.Single((await b.Http.GetFromJsonAsync<FailoverReport[]>("/history"))!);
        Assert.Equal(("takeover", "node-a", "done"), (report.Kind, report.LostHost, report.Outcome));
        Assert.True(report.TermMs <= report.RunningMs, $"{report}");
        Assert.Null(report.ProtectedMs);

        await a.StartAsync();
        await b.WhenAsync("web", EventCode.PairEstablished, before);
        await b.WhenAsync("/history/1", page => page.GetProperty("protectedMs").ValueKind == JsonValueKind.Number);
        await b.WhenAsync(string.Empty, EventCode.PeerRestarted, before);
    }

    [Fact]
    public async Task A_spare_takes_the_place_of_a_lost_secondary_by_itself()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b", "node-c"], LoopbackCluster.Vm("web", "node-a", "node-b", "node-c")
                + LoopbackCluster.Vm("db", "node-b", "node-c", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.PairEstablished);
        await cluster["node-b"].WhenAsync("db", EventCode.PairEstablished);
        string secondary = (await a.WhenAsync("/vms/web", page => page.GetProperty("peer").GetString() is not null))
            .GetProperty("peer").GetString()!;
        string spare = secondary == "node-b" ? "node-c" : "node-b";
        long before = a.Runtime.Events.LastId;
        await cluster[secondary].StopAsync();
        await a.WhenAsync("web", EventCode.WentSolo, before);
        await a.WhenAsync("web", EventCode.PairEstablished, before);
        await a.WhenAsync(
            "/vms/web", page =>
            page.GetProperty("peer").GetString() == spare && page.GetProperty("protection").GetString() == "Protected");
    }

    [Fact]
    public async Task Two_vms_of_one_pair_have_their_primaries_on_different_hosts_and_a_drain_moves_them()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b")
                + LoopbackCluster.Vm("db", "node-b", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await a.WhenAsync("web", EventCode.PairEstablished);
        await b.WhenAsync("db", EventCode.PairEstablished);
        Assert.Equal(
            "Primary",
            (await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Primary"))
            .GetProperty("role").GetString());
        Assert.Equal(
            "Primary",
            (await b.WhenAsync("/vms/db", page => page.GetProperty("role").GetString() == "Primary"))
            .GetProperty("role").GetString());

        // Asked at the other node: the order travels.
        HttpResponseMessage drained = await b.Http.PostAsync("/node/drain?host=node-a", null);
        Assert.True(drained.IsSuccessStatusCode, await drained.Content.ReadAsStringAsync());
        await b.WhenAsync(
            "/vms", page => page.EnumerateArray().All(vm => vm.GetProperty("role").GetString() == "Solo"));
        await b.WhenAsync("/status", page => page.GetProperty("members").EnumerateArray().Any(
            member =>
                member.GetProperty("node").GetString() == "node-a"
                && member.GetProperty("facts") is { ValueKind: JsonValueKind.Object } facts
                && facts.GetProperty("isDraining").GetBoolean()));
        long before = b.Runtime.Events.LastId;
        Assert.True((await b.Http.PostAsync("/node/undrain?host=node-a", null)).IsSuccessStatusCode);
        await b.WhenAsync("web", EventCode.PairEstablished, before);
        await b.WhenAsync("db", EventCode.PairEstablished, before);
    }

    [Fact]
    public async Task A_node_that_stops_alone_asks_its_guest_to_shut_down_and_boots_it_when_it_starts_again()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster["witness"].StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.StartAsync();
        await a.WhenAsync("web", EventCode.GuestRunning);
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");
        await a.Runtime.StopGuestsAsync(TimeSpan.FromSeconds(60));
        LoggedEvent said = await a.WhenAsync("web", EventCode.NodeStops);
        Assert.Contains("no peer", said.Summary, StringComparison.Ordinal);
        Assert.Equal(1, a.Machines["web"].PowerdownsAsked);
        await a.WhenAsync("web", EventCode.GuestEnded);
        await a.StopAsync();
        await a.StartAsync();
        await a.WhenAsync("web", EventCode.GuestRunning);
    }

    [Fact]
    public async Task A_node_that_stops_and_cannot_remember_its_guest_says_so_and_stops_in_order()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster["witness"].StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.StartAsync();
        await a.WhenAsync("web", EventCode.GuestRunning);
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");
        // A disk without room is as little of a folder.
        await File.WriteAllTextAsync(Path.Combine(cluster.StateOf("node-a"), "restart"), "no folder");
        await a.Runtime.StopGuestsAsync(TimeSpan.FromSeconds(60));
        await a.WhenAsync("web", EventCode.GuestEnded);
        Assert.Contains(
            a.Runtime.Events.After(0),
            logged => logged.Code == (int)EventCode.NodeStops
                && logged.Summary.Contains("`colo vm start web`", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_node_that_stops_while_its_peer_is_there_hands_the_guest_over_first()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() != "None");
        await a.WhenAsync("/cluster/members", page => Reachable(page, "node-b"));
        await a.Runtime.StopGuestsAsync(TimeSpan.FromSeconds(60));
        await cluster["node-b"].WhenAsync(
            "/vms/web", page => page.GetProperty("role").GetString() is "Solo" or "Primary");
        Assert.Equal(0, a.Machines["web"].PowerdownsAsked);
    }

    [Fact]
    public async Task A_node_that_stops_waits_for_no_peer_once_protection_was_given_up()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.PairEstablished);
        await a.Runtime.CommandAsync("web", new UnprotectCommand(NodeRuntime.NewCommandId()));
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");
        await a.Runtime.StopGuestsAsync(TimeSpan.FromSeconds(600));
        Assert.Equal(1, a.Machines["web"].PowerdownsAsked);
        await a.WhenAsync("web", EventCode.GuestEnded);
    }

    [Fact]
    public async Task A_node_that_stops_shuts_the_guest_down_when_a_copy_takes_half_of_the_time()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        LoopbackNode a = cluster["node-a"];
        a.Effects = effect => effect is not (Effect.CopyDisk or Effect.CopyMemoryRound);
        await cluster.StartAsync();
        await a.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Protecting");
        await a.Runtime.StopGuestsAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(1, a.Machines["web"].PowerdownsAsked);
        await a.WhenAsync("web", EventCode.GuestEnded);
    }

    [Fact]
    public async Task A_node_that_stops_hands_the_guest_over_though_it_is_refused_at_first_and_a_secondary_leaves()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Primary"
            && page.GetProperty("protection").GetString() == "Protected");
        const string busy = "rolled back: not ready in time";
        var refusals = new Queue<string>([busy, busy, "the guest has no second copy; the state is SwitchoverOut"]);
        var said = new ConcurrentQueue<string>();
        var farewell = new GuestFarewell(
            a.Runtime,
            (vm, command) => refusals.TryDequeue(out string? text)
                ? Task.FromResult(new Effect.CompleteCommand(command.Id, CommandResult.Failed, text))
                : a.Runtime.CommandAsync(vm, command),
            TimeProvider.System, said.Enqueue);

        await farewell.RunAsync(TimeSpan.FromSeconds(90));

        Assert.Empty(refusals);
        // Each reason is said once; a busy machine may have had one of its own afterwards.
        Assert.Collection(
            said.Where(line => line.Contains("not handed over yet", StringComparison.Ordinal)).Take(2),
            line => Assert.EndsWith(busy, line, StringComparison.Ordinal),
            line => Assert.Contains("no second copy", line, StringComparison.Ordinal));
        await b.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");
        Assert.Equal(0, a.Machines["web"].PowerdownsAsked);

        long before = b.Runtime.Events.LastId;
        await a.Runtime.UndrainHostAsync();
        await b.WhenAsync("web", EventCode.PairEstablished, before);
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Secondary");
        await a.Runtime.StopGuestsAsync(TimeSpan.FromSeconds(90));
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "None");
        await b.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");
        Assert.Equal(0, b.Machines["web"].PowerdownsAsked);
    }

    [Theory]
    [InlineData("/events")]
    [InlineData("/vms/web/tap")]
    [InlineData("/vms/web/console?follow=true")]
    public async Task A_listener_ends_with_the_node_and_does_not_hold_it_up(string path)
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        using HttpResponseMessage answer = await a.Http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead);
        using Stream body = await answer.Content.ReadAsStreamAsync();
        await a.EndHttpAsync();
        // To its end: a connection that is cut would throw here.
        await body.CopyToAsync(Stream.Null);
    }

    private static bool Reachable(JsonElement members, string node) => members.GetProperty("members").EnumerateArray()
        .Any(member => member.GetProperty("node").GetString() == node && member.GetProperty("reachable").GetBoolean());
}
