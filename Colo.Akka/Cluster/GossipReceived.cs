using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>How a received gossip was taken.</summary>
internal enum GossipKind
{
    Same,
    Older,
    Newer,
    Merged,
}

/// <summary>The gossip that holds after another node's has arrived, and whether to answer with it.</summary>
internal readonly record struct GossipReceived(Gossip Gossip, GossipKind Kind, bool TalkBack)
{
    /// <summary>Joins <paramref name="remote"/> into <paramref name="local"/>; the result is not yet marked as seen by
    /// oneself.</summary>
    internal static GossipReceived Join(Gossip local, Gossip remote, UniqueAddress self)
    {
        var unseen = !remote.IsSeenBy(self);
        return remote.Version.CompareTo(local.Version) switch
        {
            CausalOrder.Same => new GossipReceived(remote.MergeSeen(local), GossipKind.Same, unseen),
            CausalOrder.Before => new GossipReceived(local, GossipKind.Older, TalkBack: true),
            CausalOrder.After => new GossipReceived(remote, GossipKind.Newer, unseen),
            CausalOrder.Concurrent => new GossipReceived(MergeConcurrent(local, remote), GossipKind.Merged, TalkBack: true),
            var order => throw new System.Diagnostics.UnreachableException($"Unknown order {order}"),
        };
    }

    // A member that is on its way out here and unknown there was removed there: its count must go, or the merged clock
    // would never again be ahead of the side that has dropped it.
    private static Gossip MergeConcurrent(Gossip local, Gossip remote) =>
        PruneRemoved(remote, local).Merge(PruneRemoved(local, remote));

    private static Gossip PruneRemoved(Gossip gossip, Gossip other) =>
        gossip.Members
            .Where(member => member.Status is MemberStatus.Down or MemberStatus.Exiting && !other.Members.Contains(member))
            .ToImmutableList()
            .Aggregate(gossip, (pruned, member) => pruned.PruneVersion(member.UniqueAddress));
}
