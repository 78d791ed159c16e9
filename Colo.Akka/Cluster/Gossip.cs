using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Cluster;

/// <summary>
/// What a node believes the cluster to be: members, who sees whom, who has seen this very version, the version, and the
/// members that were removed (so that a merge with an old view cannot bring them back). Immutable; every change must go
/// through
/// <see cref="Increment"/> by the node that makes it, which also forgets who has seen it.
/// </summary>
internal sealed record Gossip(
    ImmutableSortedSet<Member> Members,
    Reachability Reachability,
    ImmutableHashSet<UniqueAddress> SeenBy,
    VectorClock Version,
    ImmutableDictionary<UniqueAddress, long> Tombstones)
{
    internal static readonly Gossip Empty = new(
        [], Reachability.Empty, [], VectorClock.Empty, ImmutableDictionary<UniqueAddress, long>.Empty);

    internal bool IsSingletonCluster => Members.Count == 1;

    internal Member Find(UniqueAddress node) => Members.FirstOrDefault(member => member.UniqueAddress.Equals(node));

    internal Member Find(Address address) => Members.FirstOrDefault(member => member.Address.Equals(address));

    internal bool HasMember(UniqueAddress node) => Find(node) is not null;

    internal MemberStatus StatusOf(UniqueAddress node) => Find(node)?.Status ?? MemberStatus.Removed;

    internal bool IsSeenBy(UniqueAddress node) => SeenBy.Contains(node);

    internal Gossip Seen(UniqueAddress node) => IsSeenBy(node) ? this : this with { SeenBy = SeenBy.Add(node) };

    internal Gossip OnlySeenBy(UniqueAddress node) => this with { SeenBy = [node] };

    internal Gossip MergeSeen(Gossip other) => this with { SeenBy = SeenBy.Union(other.SeenBy) };

    internal Gossip Increment(UniqueAddress node) => this with { Version = Version.Increment(node) };

    /// <summary>Puts members in place of those with the same unique address.</summary>
    internal Gossip Update(IEnumerable<Member> changed)
    {
        var members = Members;
        foreach (var member in changed)
        {
            members = members.Remove(member).Add(member);
        }

        return this with { Members = members };
    }

    /// <summary>Takes nodes out for good; <paramref name="now"/> is when, in milliseconds, for pruning the tombstones
    /// later.</summary>
    internal Gossip Remove(IReadOnlyCollection<UniqueAddress> nodes, long now)
    {
        if (nodes.Count == 0)
        {
            return this;
        }

        var gone = nodes.ToImmutableHashSet();
        return this with
        {
            Members = [.. Members.Where(member => !gone.Contains(member.UniqueAddress))],
            Reachability = Reachability.Remove(gone),
            SeenBy = SeenBy.Except(gone),
            Version = gone.Aggregate(Version, (version, node) => version.Prune(node)),
            Tombstones = Tombstones.SetItems(gone.Select(node => KeyValuePair.Create(node, now))),
        };
    }

    internal Gossip PruneTombstones(long removedBefore) =>
        Tombstones.Any(item => item.Value < removedBefore)
            ? this with { Tombstones = Tombstones.RemoveRange(Tombstones.Where(t => t.Value < removedBefore).Select(t => t.Key)) }
            : this;

    internal Gossip PruneVersion(UniqueAddress removed) => this with { Version = Version.Prune(removed) };

    /// <summary>Joins two views of which neither knew the other. Nobody has seen the result yet.</summary>
    internal Gossip Merge(Gossip other)
    {
        var tombstones = Tombstones.SetItems(other.Tombstones);
        var members = Member.PickHighestPriority(
            Members.Where(member => !tombstones.ContainsKey(member.UniqueAddress)),
            other.Members.Where(member => !tombstones.ContainsKey(member.UniqueAddress)));
        var version = tombstones.Keys.Aggregate(Version.Merge(other.Version), (merged, node) => merged.Prune(node));
        var allowed = members.Select(member => member.UniqueAddress).ToImmutableHashSet();
        return new Gossip(members.ToImmutableSortedSet(), Reachability.Merge(allowed, other.Reachability), [], version, tombstones);
    }

    public override string ToString() =>
        $"Gossip(members = [{string.Join(", ", Members)}], reachability = [{Reachability}], "
        + $"seen = [{string.Join(", ", SeenBy.Select(node => node.Address))}], version = {Version})";
}
