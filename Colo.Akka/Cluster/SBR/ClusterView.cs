using System.Collections.Immutable;

namespace Akka.Cluster.SBR;

/// <summary>
/// What a downing decision is made from: the members, who of them is unreachable, who says so, and who has seen the
/// latest gossip. Pure data; two nodes of the same side with the same view come to the same decision.
/// </summary>
internal sealed record ClusterView(
    ImmutableSortedSet<Member> Members,
    ImmutableHashSet<UniqueAddress> Unreachable,
    Reachability Reachability,
    ImmutableHashSet<UniqueAddress> SeenBy)
{
    /// <summary>
    /// Members that are seen by some and not by others: those that call somebody unreachable while being called so
    /// themselves, and both ends of an observation whose subject has yet seen the latest gossip. What is said of a
    /// member that is down already counts for nothing: everybody who is right says it, and whoever comes back from a
    /// long pause would take them all for suspicious, and stay alone.
    /// </summary>
    internal ImmutableHashSet<UniqueAddress> IndirectlyConnected
    {
        get
        {
            var down = Members.Where(member => member.Status == MemberStatus.Down).Select(member => member.UniqueAddress).ToHashSet();
            var open = Reachability.FilterRecords(record => !down.Contains(record.Subject));
            var circle = open.ObserversOfSomeUnreachable.Intersect(open.AllUnreachableOrTerminated);
            var alive = open.Records
                .Where(record => record.Status != ReachabilityStatus.Reachable && SeenBy.Contains(record.Subject))
                .SelectMany(record => new[] { record.Observer, record.Subject });
            return circle.Union(alive);
        }
    }

    internal bool IsUnreachable(Member member) => Unreachable.Contains(member.UniqueAddress);

    /// <summary>Members of a role by address. Those that are not up yet, and those that are leaving, count or not as
    /// asked.</summary>
    internal ImmutableList<Member> MembersOf(string role, bool withJoining = false, bool withLeaving = true) =>
    [
        .. Members.Where(member =>
            (withJoining || member.Status is not (MemberStatus.Joining or MemberStatus.WeaklyUp))
            && (withLeaving || member.Status is not (MemberStatus.Leaving or MemberStatus.Exiting))
            && (string.IsNullOrEmpty(role) || member.HasRole(role))),
    ];

    internal int ReachableCount(string role, bool withJoining = false, bool withLeaving = true) =>
        MembersOf(role, withJoining, withLeaving).Count(member => !IsUnreachable(member));

    internal int UnreachableCount(string role, bool withJoining = false, bool withLeaving = true) =>
        MembersOf(role, withJoining, withLeaving).Count(IsUnreachable);

    /// <summary>The nodes that a decision marks as down.</summary>
    internal ImmutableHashSet<UniqueAddress> NodesToDown(Decision decision, DowningStrategy strategy) => decision switch
    {
        Decision.None => [],
        Decision.DownUnreachable or Decision.AcquireLeaseAndDownUnreachable => Unreachable,
        Decision.DownReachable => All.Except(Unreachable),
        Decision.DownAll => All,
        Decision.DownIndirectlyConnected or Decision.AcquireLeaseAndDownIndirectlyConnected =>
            IndirectlyConnected.Union(BesidesIndirectlyConnected(strategy)),
        _ => throw new System.Diagnostics.UnreachableException($"Unknown decision {decision}"),
    };

    /// <summary>What happens when the lease was not to be had: this side goes down, and with it those between the
    /// sides.</summary>
    internal ImmutableHashSet<UniqueAddress> NodesToDownWithoutLease(Decision decision) =>
        decision == Decision.AcquireLeaseAndDownIndirectlyConnected
            ? All.Except(Unreachable).Union(IndirectlyConnected)
            : All.Except(Unreachable);

    private ImmutableHashSet<UniqueAddress> All => [.. Members.Select(member => member.UniqueAddress)];

    // A clean split may hide behind the indirectly connected ones: take these away and judge the rest again.
    private ImmutableHashSet<UniqueAddress> BesidesIndirectlyConnected(DowningStrategy strategy)
    {
        var between = IndirectlyConnected;
        var rest = this with
        {
            Members = [.. Members.Where(member => !between.Contains(member.UniqueAddress))],
            Unreachable = Unreachable.Except(between),
            Reachability = Reachability.Remove(between),
            SeenBy = SeenBy.Except(between),
        };
        return rest.Unreachable.IsEmpty ? [] : rest.NodesToDown(strategy.Decide(rest), strategy);
    }
}
