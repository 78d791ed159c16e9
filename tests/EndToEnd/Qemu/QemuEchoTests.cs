namespace Colo.EndToEnd.Qemu;

/// <summary>A guest that answers on the network, protected by a pair of QEMUs; everything is judged from the client's
/// side of the bridge.</summary>
[Trait("Category", "e2e")]
public sealed class QemuEchoTests
{
    [KvmTheory]
    [InlineData("colo", "periodic", "qemu")]
    [InlineData("periodic", "colo", "qemu")]
    [InlineData("colo", "periodic", "colo")]
    public void A_client_sees_a_pause_and_nothing_else_when_the_primary_is_lost(
        string mode, string other, string comparer)
    {
        using var cluster = new QemuCluster(
            "echo", $"mode = {mode}, checkpoint {{ periodic = 200ms }}, qemu {{ comparer = {comparer} }}");
        using var client = new EchoClient(cluster);
        cluster.Start(0);
        client.Ask(2); // alone
        cluster.Start(1);
        cluster.WhenProtected(primary: 0);

        client.Ask(5);
        cluster.AwaitCheckpoints(0, 2);
        client.Ask(5);
        AssertOnlyInTheLan(cluster, 0);

        AwaitYoungConnections(cluster, 0);
        cluster.Signal(0, "KILL");
        cluster.Until("the survivor tells the LAN where the guest is, unasked", () => LearnedAt(cluster, 1));
        client.Ask(5);
        cluster.WhenProtected(primary: 1);
        AssertOnlyInTheLan(cluster, 1);
        client.Ask(5);

        // A former secondary, whose filters stand before its rewriter, changes to the other mode and back.
        foreach (string next in (string[])[other, mode])
        {
            (int Status, string Body)? answer = cluster.Request(1, "POST", $"/vms/{QemuCluster.Vm}/mode?mode={next}");
            Assert.True(answer is { Status: 200 }, $"{answer}\n{cluster.Logs()}");
            cluster.AwaitCheckpoints(1, 2);
            client.Ask(5);
        }

        cluster.WhenProtected(primary: 1);
        AwaitYoungConnections(cluster, 1);
        cluster.Signal(1, "KILL");
        cluster.Until("the survivor tells the LAN where the guest is, unasked", () => LearnedAt(cluster, 0));
        client.Ask(5);
        Assert.Empty(cluster.Events(0, "ResyncFailed"));
        Assert.Empty(cluster.Events(1, "ResyncFailed"));
    }

    /// <summary>
    /// QEMU's rewriter loses a TCP connection in two cases that are its own: a checkpoint in the middle of the
    /// handshake leaves it with a wrong distance until the next one, and the distance of a connection that outlived a
    /// takeover is known to no later secondary. Both are past for a connection that has seen two checkpoints.
    /// </summary>
    private static void AwaitYoungConnections(QemuCluster cluster, int primary) => cluster.AwaitCheckpoints(primary, 2);

    private static void AssertOnlyInTheLan(QemuCluster cluster, int node)
    {
        Assert.True(IsUp(cluster, node));
        Assert.False(IsUp(cluster, 1 - node), "the secondary's TAP must not be in the LAN");
    }

    private static bool IsUp(QemuCluster cluster, int node)
    {
        try
        {
            return cluster.Tool("ip", $"link show tap-{node}").Split('<', '>')[1].Split(',').Contains("UP");
        }
        catch (InvalidOperationException)
        {
            return false; // there is none
        }
    }

    /// <summary>The bridge has seen a frame with the guest's address at this node's TAP.</summary>
    private static bool LearnedAt(QemuCluster cluster, int node) => cluster.Tool("bridge", "fdb show br br0").Split('\n')
        .Any(line => line.StartsWith($"{QemuCluster.GuestMac} dev tap-{node} ", StringComparison.Ordinal) && !line.Contains("permanent", StringComparison.Ordinal));
}
