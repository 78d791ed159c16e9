using System.Collections.Immutable;
using Akka.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

public class ReachabilityTests
{
    private static readonly UniqueAddress A = Nodes.At(1);
    private static readonly UniqueAddress B = Nodes.At(2);
    private static readonly UniqueAddress C = Nodes.At(3);

    [Fact]
    public void One_observer_is_enough_to_be_unreachable()
    {
        var table = Reachability.Empty.Unreachable(A, C).Reachable(B, C);
        Assert.False(table.IsReachable(C));
        Assert.True(table.IsReachable(B, C));
        Assert.Equal([C], table.AllUnreachable);
        Assert.Equal([A], table.ObserversOfUnreachable()[C]);
    }

    [Fact]
    public void A_row_without_complaints_is_dropped_but_its_version_stays()
    {
        var table = Reachability.Empty.Unreachable(A, C).Reachable(A, C);
        Assert.True(table.IsAllReachable);
        Assert.Equal(2, table.Versions[A]);
    }

    [Fact]
    public void Terminated_is_final()
    {
        var table = Reachability.Empty.Terminated(A, C).Reachable(A, C);
        Assert.Equal(ReachabilityStatus.Terminated, table.StatusOf(C));
        Assert.Empty(table.AllUnreachable);
        Assert.Equal([C], table.AllUnreachableOrTerminated);
    }

    [Fact]
    public void A_merge_takes_each_row_from_the_newer_side()
    {
        ImmutableHashSet<UniqueAddress> all = [A, B, C];
        var old = Reachability.Empty.Unreachable(A, C);
        var healed = old.Reachable(A, C);
        var other = old.Unreachable(B, C);
        var merged = healed.Merge(all, other);
        Assert.True(merged.IsReachable(A, C));
        Assert.False(merged.IsReachable(B, C));
        Assert.Equal(merged.ToString(), other.Merge(all, healed).ToString());
    }

    [Fact]
    public void A_merge_drops_nodes_that_are_not_allowed()
    {
        var merged = Reachability.Empty.Unreachable(A, C).Merge(ImmutableHashSet.Create(A, B), Reachability.Empty.Unreachable(C, B));
        Assert.True(merged.IsAllReachable);
    }

    [Fact]
    public void Removing_a_node_removes_what_it_says_and_what_is_said_of_it()
    {
        var table = Reachability.Empty.Unreachable(A, C).Unreachable(C, B).Unreachable(B, A);
        var rest = table.Remove(new HashSet<UniqueAddress> { C });
        Assert.Equal([A], rest.AllUnreachable);
        Assert.False(rest.Versions.ContainsKey(C));
    }
}
