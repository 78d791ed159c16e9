using Akka.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

public class VectorClockTests
{
    [Fact]
    public void Knows_earlier_later_same_and_concurrent()
    {
        var a = VectorClock.Empty.Increment(Nodes.At(1));
        var b = a.Increment(Nodes.At(2));
        var c = a.Increment(Nodes.At(3));
        Assert.Equal(CausalOrder.Same, a.CompareTo(a));
        Assert.Equal(CausalOrder.Before, a.CompareTo(b));
        Assert.Equal(CausalOrder.After, b.CompareTo(a));
        Assert.Equal(CausalOrder.Concurrent, b.CompareTo(c));
    }

    [Fact]
    public void A_merge_is_after_both()
    {
        var a = VectorClock.Empty.Increment(Nodes.At(1));
        var b = VectorClock.Empty.Increment(Nodes.At(2));
        Assert.Equal(CausalOrder.After, a.Merge(b).CompareTo(a));
        Assert.Equal(CausalOrder.After, a.Merge(b).CompareTo(b));
        Assert.Equal(CausalOrder.Same, a.Merge(b).CompareTo(b.Merge(a)));
    }

    [Fact]
    public void Pruning_forgets_a_node()
    {
        var a = VectorClock.Empty.Increment(Nodes.At(1));
        Assert.Equal(CausalOrder.Same, a.Increment(Nodes.At(2)).Prune(Nodes.At(2)).CompareTo(a));
    }
}
