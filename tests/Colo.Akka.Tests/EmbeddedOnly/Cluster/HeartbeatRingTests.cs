using Akka.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

public class HeartbeatRingTests
{
    private static HeartbeatRing Ring(int nodes, int monitoredBy, params int[] unreachable) => new(
        Nodes.At(1),
        [.. Enumerable.Range(1, nodes).Select(i => Nodes.At(i))],
        [.. unreachable.Select(i => Nodes.At(i))],
        monitoredBy);

    [Theory]
    [InlineData(2, 9)]
    [InlineData(10, 9)]
    public void Small_clusters_watch_everybody(int nodes, int monitoredBy) =>
        Assert.Equal(nodes - 1, Ring(nodes, monitoredBy).MyReceivers.Count);

    [Fact]
    public void Every_node_is_watched_by_as_many_as_asked()
    {
        var ring = Ring(16, 3);
        var watchers = ring.Nodes.SelectMany(ring.ReceiversOf).GroupBy(node => node).ToDictionary(g => g.Key, g => g.Count());
        Assert.Equal(16, watchers.Count);
        Assert.All(watchers.Values, count => Assert.Equal(3, count));
    }

    [Fact]
    public void Nobody_watches_itself() => Assert.All(Ring(16, 5).Nodes, node => Assert.DoesNotContain(node, Ring(16, 5).ReceiversOf(node)));

    [Fact]
    public void An_unreachable_neighbour_is_watched_on_and_one_more_is_added()
    {
        var before = Ring(16, 3).MyReceivers;
        var lost = before.First().Uid;
        var after = Ring(16, 3, lost).MyReceivers;
        Assert.Equal(4, after.Count);
        Assert.True(before.IsSubsetOf(after));
    }
}
