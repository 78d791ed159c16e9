using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Host.Node;
using Colo.Vmm.Links;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// VMs that are created, placed and removed while the cluster runs, and orders that are sent twice or too late.
/// </summary>
public sealed class AdministrationTests
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task A_vm_is_created_on_chosen_hosts_is_protected_and_is_there_after_a_restart()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync(
            "/status", page =>
            page.GetProperty("members").EnumerateArray()
            .All(member => member.GetProperty("facts").ValueKind == JsonValueKind.Object));
        string disk = Path.Combine(cluster.StateOf("node-a"), "disk.img");
        string definition = $$"""{ "kernel": "{{cluster.Kernel}}", "memory": "16MiB", "disks": [{ "path": "{{disk}}", "size": "1M" }] }""";

        (HttpStatusCode dry, JsonElement plan) = await PostAsync(a, "/vms?name=web&dry-run=true", definition);
        Assert.True(dry == HttpStatusCode.OK, $"{plan}");
        Assert.Contains("nothing has changed", plan.GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.False(File.Exists(disk));

        (HttpStatusCode created, JsonElement answer) = await PostAsync(a, "/vms?name=web&command=one", definition);
        Assert.True(created == HttpStatusCode.OK, $"{answer}");
        Assert.Contains("chosen by free memory", answer.GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Equal(1 << 20, new FileInfo(disk).Length);
        await a.WhenAsync(
            "/status", page =>
            page.GetProperty("vms").GetArrayLength() == 1
            && page.GetProperty("vms")[0].GetProperty("word").GetString() == "PROTECTED");

        // The same order again is not carried out again; another one under its id is refused.
        int defined = a.Runtime.Events.After(0).Count(logged => logged.Code == (int)EventCode.VmDefined);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web&command=one", definition)).Status);
        Assert.Equal(defined, a.Runtime.Events.After(0).Count(logged => logged.Code == (int)EventCode.VmDefined));
        Assert.Equal(HttpStatusCode.Conflict, (await PostAsync(a, "/vms?name=other&command=one", definition)).Status);

        foreach (string name in new[] { "node-a", "node-b" })
        {
            LoopbackNode node = cluster[name];
            await node.StopAsync();
            await node.StartAsync();
            Assert.NotNull(node.Runtime.Find("web"));
            await node.WhenAsync(
                "/status", page => page.GetProperty("vms")[0].GetProperty("word").GetString() == "PROTECTED");
        }
    }

    [Fact]
    public async Task A_wrong_definition_is_refused_with_line_key_and_what_was_expected()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"]);
        await cluster.StartAsync();
        string definition = $"""
            kernel = "{cluster.Kernel}"
            memory = 1KiB
            harts = many
            memroy = 64MiB
            nodes = [node-a, node-x]
            """;
        (HttpStatusCode status, JsonElement problem) = await PostAsync(cluster["node-a"], "/vms?name=web", definition);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        string errors = string.Join(
            '\n', problem.GetProperty("errors").EnumerateArray().Select(error => error.GetString()));
        Assert.Contains(
            "definition:2: colo.vms.web.memory is 1024 bytes, expected 16777216", errors, StringComparison.Ordinal);
        Assert.Contains(
            "definition:3: colo.vms.web.harts is 'many', expected a whole number", errors, StringComparison.Ordinal);
        Assert.Contains("definition:4: colo.vms.web.memroy is not a key", errors, StringComparison.Ordinal);
        Assert.Contains(
            "definition:5: colo.vms.web.nodes has 'node-x', expected this node or one of colo.peers", errors,
            StringComparison.Ordinal);
        Assert.Empty(cluster["node-a"].Runtime.Vms);
    }

    [Fact]
    public async Task A_vm_whose_second_node_cannot_take_it_is_created_on_none()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync(
            "/cluster/members", page =>
            page.GetProperty("members").EnumerateArray().All(member => member.GetProperty("reachable").GetBoolean()));
        await cluster["node-b"].StopAsync();
        (HttpStatusCode status, JsonElement problem) = await PostAsync(
            a, "/vms?name=web", $"kernel = \"{cluster.Kernel}\"\nmemory = 16MiB\nnodes = [node-a, node-b]\n");
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("node-b", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Null(a.Runtime.Find("web"));
    }

    [Fact]
    public async Task An_order_that_no_frame_holds_is_refused_and_costs_no_link()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync(
            "/cluster/members", page =>
            page.GetProperty("members").EnumerateArray().All(member => member.GetProperty("reachable").GetBoolean()));
        string lines = $"kernel = \"{cluster.Kernel}\"\nmemory = 16MiB\nnodes = [node-b]\n# ";
        (HttpStatusCode status, JsonElement problem) = await PostAsync(
            a, "/vms?name=web", lines + new string('x', (64 << 10) - lines.Length));
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("node-b", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Contains("65536", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain(
            cluster["node-b"].Lines, line => line.Contains("not a control frame", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web", lines)).Status);
    }

    [Fact]
    public async Task The_operator_changes_the_placement_and_removes_a_vm_that_is_off()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b", "node-c"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync(
            "/cluster/members", page =>
            page.GetProperty("members").EnumerateArray().All(member => member.GetProperty("reachable").GetBoolean()));
        string definition = $"kernel = \"{cluster.Kernel}\"\nmemory = 16MiB\nnodes = [node-a, node-b]\n";
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web", definition)).Status);
        await a.WhenAsync("web", EventCode.PairEstablished);

        HttpResponseMessage placed = await a.Http.PutAsync("/vms/web/nodes?nodes=node-a,node-c", null);
        Assert.True(placed.IsSuccessStatusCode, await placed.Content.ReadAsStringAsync());
        long before = a.Runtime.Events.LastId;
        await cluster["node-b"].StopAsync();
        await a.WhenAsync("web", EventCode.PairEstablished, before);
        await a.WhenAsync("/vms/web", page => page.GetProperty("peer").GetString() == "node-c");

        HttpResponseMessage early = await a.Http.DeleteAsync("/vms/web");
        Assert.Equal(HttpStatusCode.Conflict, early.StatusCode);
        // It was placed away from node-b, which still has the definition.
        await cluster["node-b"].StartAsync();
        Assert.NotNull(cluster["node-b"].Runtime.Find("web"));
        await a.WhenAsync(
            "/cluster/members", page =>
            page.GetProperty("members").EnumerateArray().All(member => member.GetProperty("reachable").GetBoolean()));
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms/web/shutdown", string.Empty)).Status);
        await a.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Off");
        HttpResponseMessage deleted = await a.Http.DeleteAsync("/vms/web");
        Assert.True(deleted.IsSuccessStatusCode, await deleted.Content.ReadAsStringAsync());
        Assert.Null(a.Runtime.Find("web"));
        Assert.Null(cluster["node-b"].Runtime.Find("web"));
        Assert.Null(cluster["node-c"].Runtime.Find("web"));
    }

    [Fact]
    public async Task A_vm_that_is_removed_and_made_again_at_once_disturbs_no_other()
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("other", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("/vms/other", page => page.GetProperty("role").GetString() == "Solo");
        string definition = $"kernel = \"{cluster.Kernel}\"\nmemory = 16MiB\nnodes = [node-a]\n";
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web", definition)).Status);
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms/web/shutdown", string.Empty)).Status);
        await a.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Off");
        ScriptedBackend first = a.Machines["web"];
        first.MayEnd.Reset(); // its actors end slowly
        HttpResponseMessage deleted = await a.Http.DeleteAsync("/vms/web");
        Assert.True(deleted.IsSuccessStatusCode, await deleted.Content.ReadAsStringAsync());
        (HttpStatusCode status, JsonElement answer) = await PostAsync(a, "/vms?name=web", definition);
        Assert.True(status == HttpStatusCode.OK, $"{answer}");
        (HttpStatusCode early, JsonElement text) = await PostAsync(a, "/vms/other/resume", string.Empty);
        Assert.True(early == HttpStatusCode.OK, $"{text}");
        Assert.Same(first, a.Machines["web"]);
        first.MayEnd.Set();
        await a.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Off");
        Assert.NotSame(first, a.Machines["web"]);

        (HttpStatusCode paused, JsonElement said) = await PostAsync(a, "/vms/other/pause", string.Empty);
        Assert.True(paused == HttpStatusCode.OK, $"{said}");
    }

    [Fact]
    public async Task A_drain_that_another_node_did_not_finish_is_a_failure_and_no_refusal()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode b = cluster["node-b"];
        await cluster["node-a"].WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");

        (HttpStatusCode status, JsonElement problem) = await PostAsync(b, "/node/drain?host=node-a", string.Empty);

        Assert.Equal(HttpStatusCode.InternalServerError, status);
        Assert.Contains("node-a: not handed over: web", $"{problem}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_too_long_is_refused_and_nothing_is_done()
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        string id = new('x', 101);

        (HttpStatusCode named, JsonElement problem) = await PostAsync(a, $"/vms/web/pause?command={id}", string.Empty);
        (HttpStatusCode begun, _) = await PostAsync(a, $"/vms/web/commands/pause?command={id}", string.Empty);
        (HttpStatusCode typed, _) = await PostAsync(a, "/vms/web/console", new string('y', 4097));

        Assert.Equal(HttpStatusCode.BadRequest, named);
        Assert.Contains("at most 100", $"{problem}", StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, begun);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, typed);
        Assert.Equal(HttpStatusCode.BadRequest, (await a.Http.GetAsync("/events?severity=warn")).StatusCode);
        Assert.Empty(a.Runtime.Commands.Records());
    }

    [Fact]
    public async Task Status_shows_the_mode_that_was_ordered_who_is_paused_and_that_protection_was_ended()
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");

        await PostAsync(a, "/vms/web/mode?mode=periodic", string.Empty);
        await PostAsync(a, "/vms/web/pause", string.Empty);
        await PostAsync(a, "/vms/web/unprotect", string.Empty);

        JsonElement vm = (await a.Http.GetFromJsonAsync<JsonElement>("/status")).GetProperty("vms")[0];
        Assert.Equal("periodic", vm.GetProperty("mode").GetString());
        Assert.False(vm.GetProperty("automaticRoleChange").GetBoolean());
        Assert.Equal("node-a", Assert.Single(vm.GetProperty("pausedOn").EnumerateArray()).GetString());
        Assert.Contains("colo protect web", vm.GetProperty("next").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_order_for_another_term_is_refused_and_one_that_is_repeated_acts_once()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        JsonElement vm = await a.WhenAsync(
            "/vms/web", page => page.GetProperty("protection").GetString() == "Protected");
        long term = vm.GetProperty("term").GetInt64();
        (HttpStatusCode stale, JsonElement problem) = await PostAsync(
            a, $"/vms/web/switchover?term={term - 1}", string.Empty);
        Assert.Equal(HttpStatusCode.Conflict, stale);
        Assert.Contains("look again", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);

        HttpResponseMessage begun = await a.Http.PostAsync(
            $"/vms/web/commands/switchover?command=x1&term={term}", null);
        Assert.Equal(HttpStatusCode.Accepted, begun.StatusCode);
        Assert.Equal("/commands/x1", begun.Headers.Location!.ToString());
        await a.WhenAsync("/commands/x1", page => page.GetProperty("state").GetString() == "done");
        Assert.Equal(
            HttpStatusCode.OK,
            (await PostAsync(a, $"/vms/web/switchover?command=x1&term={term}", string.Empty)).Status);
        Assert.Single(a.Runtime.Events.After(0), logged => logged.Code == (int)EventCode.SwitchoverDone);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(a, "/vms/web/failover", string.Empty)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await PostAsync(a, "/vms/nothing/switchover", string.Empty)).Status);
    }

    [Fact]
    public async Task Checkpoints_are_shown_with_every_phase()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Protected");
        long seen = a.Runtime.Events.LastId;
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms/web/checkpoint", string.Empty)).Status);
        LoggedEvent captured;
        do
        {
            captured = await a.WhenAsync("web", EventCode.CheckpointCaptured, seen);
            seen = captured.Id;
        }
        while (!captured.Summary.StartsWith("Operator", StringComparison.Ordinal));
        JsonElement list = await a.WhenAsync("/vms/web/checkpoints", page => page.EnumerateArray().Any(
            entry =>
                entry.GetProperty("reason").GetString() == "Operator"
                && entry.GetProperty("outcome").GetString() == "loaded"));
        JsonElement entry = list.EnumerateArray().First(found => found.GetProperty("reason").GetString() == "Operator");
        Assert.Equal([1.0, 2.0, 3.0, 4.0, 5.0], ((string[])["requestMs", "captureMs", "streamMs", "commitMs", "loadMs"])
            .Select(phase => entry.GetProperty(phase).GetDouble()));
        JsonElement one = await a.Http.GetFromJsonAsync<JsonElement>(
            $"/vms/web/checkpoints/{entry.GetProperty("epoch").GetInt64()}");
        Assert.Equal(10, one.GetProperty("pages").GetInt64());
        string metrics = await a.Http.GetStringAsync("/metrics");
        Assert.Contains(
            "colo_checkpoints_total{vm=\"web\",host=\"node-a\",role=\"Primary\",reason=\"Operator\"} 1", metrics,
            StringComparison.Ordinal);
        Assert.Contains("colo_checkpoint_pause_seconds_bucket{vm=\"web\",host=\"node-a\",role=\"Primary\",phase=\"capture\",le=\"0.0025\"}", metrics, StringComparison.Ordinal);
        Assert.Contains(
            "colo_heartbeat_age_seconds{host=\"node-a\",peer=\"node-b\"}", metrics, StringComparison.Ordinal);
        Assert.Contains(
            "colo_decoded_evictions_total{vm=\"web\",host=\"node-a\",role=\"Primary\"} 14\n", metrics,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_that_another_vm_writes_to_is_refused()
    {
        await using var cluster = new LoopbackCluster(["node-a"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        string disk = Path.Combine(cluster.StateOf("node-a"), "disk.img");
        string definition = $$"""
            kernel = "{{cluster.Kernel}}", memory = 16MiB, nodes = [node-a], disks = [{ path = "{{disk}}", size = 1M }]
            """;
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web", definition)).Status);
        (HttpStatusCode status, JsonElement problem) = await PostAsync(a, "/vms?name=copy", definition);
        Assert.Equal(HttpStatusCode.Conflict, status);
        string detail = problem.GetProperty("detail").GetString()!;
        Assert.Contains($"disk {disk} is written to by VM 'web'", detail, StringComparison.Ordinal);
        Assert.Null(a.Runtime.Find("copy"));
    }

    [Fact]
    public async Task What_was_known_of_a_former_disk_is_not_believed_of_a_new_one()
    {
        await using var cluster = new LoopbackCluster(["node-a"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        string state = cluster.StateOf("node-a");
        string[] former = [Path.Combine(state, "web-0.bitmap"), Path.Combine(state, "web-0.buffer")];
        string other = Path.Combine(state, "web-1.buffer");
        foreach (string file in (string[])[.. former, other, Path.Combine(state, "old.img")])
        {
            await File.WriteAllTextAsync(file, "of a VM that was deleted while its disk was being filled");
        }

        string definition = $$"""
            kernel = "{{cluster.Kernel}}", memory = 16MiB, nodes = [node-a]
            disks = [{ path = "{{state}}/new.img", size = 1M }, { path = "{{state}}/old.img" }]
            """;
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web", definition)).Status);
        Assert.DoesNotContain(former, File.Exists);
        Assert.True(File.Exists(other)); // that disk is the former one
    }

    [Fact]
    public async Task A_disk_that_cannot_be_made_leaves_nothing_behind()
    {
        await using var cluster = new LoopbackCluster(["node-a"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        string disk = Path.Combine(cluster.StateOf("node-a"), "disk.img");
        string definition = $$"""
            kernel = "{{cluster.Kernel}}", memory = 16MiB, nodes = [node-a], disks = [{ path = "{{disk}}", size = SIZE }]
            """;
        string tooLarge = definition.Replace("SIZE", "8388607T", StringComparison.Ordinal);
        Assert.NotEqual(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web", tooLarge)).Status);
        Assert.False(File.Exists(disk));
        await a.StopAsync();
        await a.StartAsync();
        Assert.Empty(a.Runtime.Vms);
        string right = definition.Replace("SIZE", "1M", StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web", right)).Status);
        Assert.Equal(1 << 20, new FileInfo(disk).Length);
    }

    [Fact]
    public async Task Heartbeats_no_longer_speak_of_a_vm_that_was_removed()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"]);
        await cluster["witness"].StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.StartAsync();
        // In the place of node-b, to hear what it would.
        var heard = Channel.CreateUnbounded<WireHeartbeat>();
        await using var ear = new LinkListener(
            a.Runtime.Options.Peers.Single(peer => peer.Host.Name == "node-b").Networks[0], null,
            (_, _) => (LinkAnswer.Accepted, 0), link => Hear(link, heard.Writer), _ => { });
        string definition = $"kernel = \"{cluster.Kernel}\"\nmemory = 16MiB\nnodes = [node-a]\n";
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms?name=web", definition)).Status);
        await a.WhenAsync("/vms/web", page => page.GetProperty("role").GetString() == "Solo");
        await HeardAsync(heard.Reader, beat => beat.Vms.Any(vm => vm.Vm == "web"));
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(a, "/vms/web/shutdown", string.Empty)).Status);
        await a.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Off");
        Assert.True((await a.Http.DeleteAsync("/vms/web")).IsSuccessStatusCode);
        await HeardAsync(heard.Reader, beat => beat.Vms.Count == 0);
    }

    private static async Task HeardAsync(ChannelReader<WireHeartbeat> heard, Func<WireHeartbeat, bool> wanted)
    {
        using var late = new CancellationTokenSource(Hang);
        while (!wanted(await heard.ReadAsync(late.Token)))
        {
            // An older one.
        }
    }

    /// <summary>Reads a control link's frames: four bytes of length, one of the type (1: heartbeat), payload.</summary>
    private static void Hear(DataLink link, ChannelWriter<WireHeartbeat> heard)
    {
        byte[] head = new byte[5];
        try
        {
            while (true)
            {
                link.Stream.ReadExactly(head);
                byte[] payload = new byte[BinaryPrimitives.ReadInt32BigEndian(head)];
                link.Stream.ReadExactly(payload);
                if (head[4] == 1 && link.Open.Host == "node-a")
                {
                    heard.TryWrite(WireHeartbeat.Parser.ParseFrom(payload));
                }
            }
        }
        catch (IOException)
        {
            link.Dispose(); // the node has ended
        }
    }

    private static async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(
        LoopbackNode node, string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/hocon");
        HttpResponseMessage response = await node.Http.PostAsync(path, content);
        return (response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>());
    }
}
