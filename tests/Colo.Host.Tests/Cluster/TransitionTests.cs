using Colo.Actors.Protocol;
using Colo.Host.Node;

namespace Colo.Host.Tests.Cluster;

/// <summary>What a node runs and asks on transitions: hooks, the gateway, the guest.</summary>
public sealed class TransitionTests
{
    [Fact]
    public async Task Hooks_get_their_own_arguments_and_then_the_transition()
    {
        string folder = Directory.CreateTempSubdirectory("colo-hooks-").FullName;
        string script = Path.Combine(folder, "hook");
        await File.WriteAllTextAsync(
            script,
            $"#!/bin/sh\nprintf '%s|' \"$@\" > {folder}/$2.$$.tmp && mv {folder}/$2.$$.tmp {folder}/$2.$$.out\n");
        using (var chmod = System.Diagnostics.Process.Start("chmod", ["700", script]))
        {
            await chmod.WaitForExitAsync();
        }

        string hooks = string.Join(
            ", ", ((string[])["on-peer-lost", "on-takeover", "on-pair", "on-evicted", "on-solo"])
            .Select(hook => $"{hook} = [\"{script}\", \"first\"]"));
        await using (
            var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"), $"hooks {{ {hooks} }}"))
        {
            await cluster.StartAsync();
            await cluster["node-b"].WhenAsync("web", EventCode.PairEstablished);
            foreach (string told in await WhenAsync(folder, "on-pair", processes: 2))
            {
                Assert.StartsWith("first|on-pair|web|2|", told, StringComparison.Ordinal);
            }

            HostIdentity lost = cluster["node-a"].Runtime.Self;
            await cluster["node-a"].StopAsync();
            await cluster["node-b"].WhenAsync("web", EventCode.TookOver);
            Assert.StartsWith(
                $"first|on-peer-lost|web|2|{lost}", Assert.Single(await WhenAsync(folder, "on-peer-lost", 1)),
                StringComparison.Ordinal);
            Assert.StartsWith(
                "first|on-takeover|web|3|", Assert.Single(await WhenAsync(folder, "on-takeover", 1)),
                StringComparison.Ordinal);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_gateway_that_answers_is_reported_and_asked_about_in_health()
    {
        // 127.0.0.1 answers to every host that can send ICMP echo at all (root, or a ping program).
        await using var cluster = new LoopbackCluster(
            ["node-a"], extra: "heartbeat { gateway { address = \"127.0.0.1\", timeout = 30s } }");
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync(
            "/health", page =>
            page.GetProperty("checks").EnumerateArray()
            .Any(check => check.GetProperty("name").GetString() == "gateway"));
    }

    [Fact]
    public void A_host_cut_off_from_the_gateway_says_so_and_a_peer_that_reaches_it_is_told_apart()
    {
        var a = new HostIdentity(new HostId("a"), new Incarnation(1));
        var monitor = new Colo.Actors.Heartbeat.HeartbeatMonitor(
            [(a.Host, 1)], new Colo.Actors.Heartbeat.HeartbeatOptions());
        var findings = new List<Colo.Actors.Heartbeat.HeartbeatFinding>();
        Instant Ms(int ms) => Instant.Zero + TimeSpan.FromMilliseconds(ms + 1);
        monitor.Decide(Ms(0), new Colo.Actors.Heartbeat.GatewayAnswered(), findings);
        for (int at = 0; at <= 1200; at += 50)
        {
            monitor.Decide(
                Ms(at), new Colo.Actors.Heartbeat.HeartbeatReceived(a, 0, ReachesGateway: true, 1), findings);
            monitor.Decide(Ms(at), new Colo.Actors.Heartbeat.HeartbeatTick(), findings);
        }

        Assert.Equal(
            [new(true, false), new(true, true), new(false, true)],
            findings.OfType<Colo.Actors.Heartbeat.HeartbeatFinding.Gateway>());
    }

    [Fact]
    public async Task A_guest_that_falls_silent_is_an_event_only_while_this_host_runs_it()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a"], "web { kernel = \"KERNEL\", memory = 16MiB, nodes = [node-a], check { address = \"192.0.2.1\", interval = 50ms, misses = 2 } }");
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        Assert.NotNull(a.Runtime.Find("web")!.Definition.Check);
        // It has never answered: a guest that boots, or does not answer to anybody, is no alarm.
        Assert.DoesNotContain(a.Runtime.Events.After(0), logged => logged.Code == (int)EventCode.GuestSilent);
    }

    [Fact]
    public void A_guest_that_has_answered_and_no_longer_does_is_an_event_and_runs_the_hook_once()
    {
        var options = new Colo.Host.Configuration.VmCheck(System.Net.IPAddress.Loopback, TimeSpan.FromHours(1), 2)
        {
            Then = Colo.Host.Configuration.VmCheckAction.Switchover,
        };
        var record = new VmRecord(null!, TimeProvider.System)
        {
            Status = new VmStatus(
                VmRole.Primary, ProtectionState.Protected, new Term(2), new Epoch(1), null, "Primary", string.Empty),
        };
        int exchanges = 0;
        var events = new List<EventCode>();
        var hooks = new List<string>();
        using var check = new GuestCheck(
            record, options, "br0", happened => events.Add(happened.Code), hooks.Add, () => exchanges++);
        foreach (bool answered in new[] { false, false, false, true, false, true, false, false, false })
        {
            check.Take(answered);
        }

        Assert.Equal("127.0.0.1: 2 questions without an answer", record.GuestSilent);
        check.Take(answered: true);
        Assert.Empty(record.GuestSilent);

        Assert.Equal([EventCode.GuestSilent, EventCode.GuestAnswers], events);
        Assert.Equal("127.0.0.1: 2 questions without an answer", Assert.Single(hooks));
        Assert.Equal(1, exchanges);
    }

    /// <summary>What so many processes of a hook were told; each of the pair's nodes runs its own.</summary>
    private static async Task<string[]> WhenAsync(string folder, string hook, int processes)
    {
        string[] Written() => Directory.GetFiles(folder, hook + ".*.out");
        var there = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watcher = new FileSystemWatcher(folder);
        watcher.Renamed += (_, _) => _ = Written().Length >= processes && there.TrySetResult();
        watcher.EnableRaisingEvents = true;
        if (Written().Length < processes)
        {
            await there.Task.WaitAsync(TimeSpan.FromSeconds(90));
        }

        return [.. Written().Select(File.ReadAllText)];
    }
}
