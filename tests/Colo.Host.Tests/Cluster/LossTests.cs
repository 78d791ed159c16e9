using Colo.Actors.Protocol;
using Colo.Host.Node;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// What hosts of one process with scripted machines lose, several things at once among them (F32, F34, F35, F40):
/// nobody begins a second life of the guest, the operator is told, and the pair is whole when what was lost is back.
/// </summary>
public sealed class LossTests : IAsyncLifetime
{
    private readonly LoopbackCluster cluster =
        new(["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"), LoopbackCluster.AsksOften);
    private readonly LoopbackNode a;
    private readonly LoopbackNode b;
    private readonly LoopbackNode witness;

    public LossTests() => (a, b, witness) = (cluster["node-a"], cluster["node-b"], cluster["witness"]);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await cluster.DisposeAsync();

    [Fact]
    public async Task A_guest_that_gets_no_memory_to_boot_is_told_and_can_be_started_when_there_is_some()
    {
        bool refuses = true;
        a.Effects = effect => effect is Effect.BootGuest && refuses ? throw NoMemory() : true;
        await cluster.StartAsync();
        LoggedEvent failed = await a.WhenAsync("web", EventCode.GuestBootFailed);
        Assert.Contains("mmap", failed.Summary, StringComparison.Ordinal);
        await a.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Off");
        refuses = false;
        await OrderAsync(a, "/vms/web/start");
        await WholeAsync();
    }

    [Fact]
    public async Task A_host_that_gets_no_memory_for_the_replica_joins_when_there_is_some()
    {
        bool refuses = true;
        b.Effects = effect => effect is Effect.ConnectReplication && refuses ? throw NoMemory() : true;
        await cluster.StartAsync();
        LoggedEvent gone = await b.WhenAsync("web", EventCode.ReplicaDiscarded);
        Assert.Contains("mmap", gone.Summary, StringComparison.Ordinal);
        await a.WhenAsync("web", EventCode.JoinAborted);
        refuses = false;
        await WholeAsync();
        Assert.DoesNotContain(a.Runtime.Events.After(0), logged => logged.Code == (int)EventCode.ReplicaDiscarded);
    }

    [Fact]
    public async Task A_witness_that_loses_its_last_write_gives_no_host_with_an_old_disk_the_guest()
    {
        await cluster.StartAsync();
        await WholeAsync();
        string file = Path.Combine(cluster.StateOf("witness"), "records", "web.record");
        byte[] pair = await File.ReadAllBytesAsync(file);
        await a.StopAsync();
        await b.WhenAsync("web", EventCode.TookOver);
        byte[] alone = await File.ReadAllBytesAsync(file);

        // Of the takeover only its owner knows now.
        await ReplaceAsync(file, pair);
        long there = b.Runtime.Events.LastId;
        await a.StartAsync();
        LoggedEvent asked;
        do
        {
            asked = await b.WhenAsync("web", EventCode.ArbiterUnknown, there);
            there = asked.Id;
        }
        while (!asked.Summary.Contains("it has forgotten", StringComparison.Ordinal));

        await b.StopAsync();
        await b.StartAsync();

        // What it had been filled with is in nobody's record, and may be in one that was forgotten.
        LoggedEvent keeps = await a.WhenAsync("web", EventCode.ArbiterUnknown, a.Runtime.Events.LastId);
        Assert.Contains("older than the owner's", keeps.Summary, StringComparison.Ordinal);
        LoggedEvent waits = await b.WhenAsync("web", EventCode.ColdStartWaits);
        Assert.Contains("is older than", waits.Summary, StringComparison.Ordinal);

        // Both have heard each other, several times.
        long heard = a.Runtime.Events.LastId;
        await a.WhenAsync(
            "/cluster/members", page => page.GetProperty("members").EnumerateArray()
                .All(member => member.GetProperty("reachable").GetBoolean()));
        await ReplaceAsync(file, alone);
        await a.WhenAsync("web", EventCode.ReplicaDiscarded);
        await WholeAsync(heard);
        Assert.DoesNotContain(
            a.Runtime.Events.After(0),
            logged => logged.Code is (int)EventCode.GuestBooting or (int)EventCode.TookOver or (int)EventCode.TermWon);
        Assert.Single(b.Runtime.Events.After(0), logged => logged.Code == (int)EventCode.GuestBooting);
    }

    [Fact]
    public async Task Both_hosts_or_a_host_and_the_witness_at_once_leave_one_life_of_the_guest()
    {
        await cluster.StartAsync();
        await WholeAsync();

        // The witness and the secondary: the primary holds what it has and asks on. The witness first: its last answer
        // may be a yes.
        long here = a.Runtime.Events.LastId;
        await witness.StopAsync();
        await b.StopAsync();
        await a.WhenAsync("web", EventCode.HoldingForArbiter, here);
        Assert.DoesNotContain(a.Runtime.Events.After(here), logged => logged.Code == (int)EventCode.WentSolo);
        await Task.WhenAll(witness.StartAsync(), b.StartAsync());
        await a.WhenAsync("web", EventCode.WentSolo, here);
        await WholeAsync(here);

        // Both hosts, then everything: one of them boots. Whoever sees the other's end first may have taken over.
        await Task.WhenAll(a.StopAsync(), b.StopAsync());
        await Task.WhenAll(a.StartAsync(), b.StartAsync());
        await WholeAsync();
        AssertOneBooted();
        await Task.WhenAll(cluster.Nodes.Select(node => node.StopAsync()));
        await Task.WhenAll(cluster.Nodes.Select(node => node.StartAsync()));
        await WholeAsync();
        AssertOneBooted();
    }

    [Fact]
    public async Task A_copy_whose_source_or_both_ends_break_begins_anew_and_nobody_else_has_the_guest()
    {
        bool endless = true;
        a.Effects = effect => effect is not Effect.CopyMemoryRound || !endless;
        await cluster.StartAsync();
        await a.WhenAsync("web", EventCode.ResyncStarted);
        await a.StopAsync();
        await a.StartAsync();
        await b.WhenAsync("web", EventCode.ReplicaDiscarded);
        await a.WhenAsync("web", EventCode.ResyncStarted);
        Assert.DoesNotContain(
            b.Runtime.Events.After(0),
            logged => logged.Code is (int)EventCode.GuestBooting or (int)EventCode.TookOver or (int)EventCode.TermWon);

        await Task.WhenAll(a.StopAsync(), b.StopAsync());
        await Task.WhenAll(a.StartAsync(), b.StartAsync());
        await a.WhenAsync("web", EventCode.ResyncStarted);
        endless = false;
        await b.StopAsync(); // the copy under way has no end
        await b.StartAsync();
        await WholeAsync();
        AssertOneBooted();
        Assert.Contains(a.Runtime.Events.After(0), logged => logged.Code == (int)EventCode.GuestBooting);
    }

    /// <summary>In their present lives.</summary>
    private void AssertOneBooted() => Assert.Single(
        a.Runtime.Events.After(0).Concat(b.Runtime.Events.After(0)),
        logged => logged.Code == (int)EventCode.GuestBooting);

    private static OutOfMemoryException NoMemory() => new("mmap of 16777216 bytes for guest RAM failed with error 12.");

    /// <summary>Both say that they are a pair: node-a since this event, node-b in its present life.</summary>
    private async Task WholeAsync(long afterA = 0)
    {
        await a.WhenAsync("web", EventCode.PairEstablished, afterA);
        await b.WhenAsync("web", EventCode.PairEstablished);
        foreach (LoopbackNode node in (LoopbackNode[])[a, b])
        {
            await node.WhenAsync("/vms/web", page => page.GetProperty("protection").GetString() == "Protected");
        }
    }

    private async Task ReplaceAsync(string file, byte[] content)
    {
        await witness.StopAsync();
        await File.WriteAllBytesAsync(file, content);
        await witness.StartAsync();
    }

    private static async Task OrderAsync(LoopbackNode node, string path)
    {
        HttpResponseMessage answer = await node.Http.PostAsync(path, null);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }
}
