using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>The events that lead from one state of the cluster to the next. Pure.</summary>
internal static class DomainEvents
{
    internal static ClusterEvent.CurrentClusterState Snapshot(MembershipState state)
    {
        var roleLeaders = state.Roles.ToImmutableDictionary(role => role, role => state.RoleLeader(role)?.Address);
        return new ClusterEvent.CurrentClusterState(
            state.Gossip.Members,
            state.UnreachableMembers,
            [.. state.Gossip.SeenBy.Select(node => node.Address)],
            state.Leader?.Address,
            roleLeaders);
    }

    /// <summary>Unreachable before reachable, then members, leaders, and what only the downing decision
    /// needs.</summary>
    internal static List<ClusterEvent.IClusterDomainEvent> Between(MembershipState before, MembershipState after)
    {
        var events = new List<ClusterEvent.IClusterDomainEvent>();
        if (ReferenceEquals(before.Gossip, after.Gossip))
        {
            return events;
        }

        AddReachability(events, before, after);
        AddMembers(events, before.Gossip, after.Gossip);
        AddLeaders(events, before, after);
        if (!before.Gossip.SeenBy.SetEquals(after.Gossip.SeenBy) || before.Gossip.Version != after.Gossip.Version)
        {
            events.Add(new ClusterEvent.SeenChanged(after.IsConverged(ImmutableHashSet<UniqueAddress>.Empty), after.Gossip.SeenBy));
        }

        if (!before.Reachability.Records.SequenceEqual(after.Reachability.Records))
        {
            events.Add(new ClusterEvent.ReachabilityChanged(after.Reachability));
        }

        return events;
    }

    private static void AddReachability(
        List<ClusterEvent.IClusterDomainEvent> events, MembershipState before, MembershipState after)
    {
        var unreachableBefore = before.UnreachableMembers;
        var unreachableAfter = after.UnreachableMembers;
        events.AddRange(unreachableAfter.Except(unreachableBefore).Order().Select(member => new ClusterEvent.UnreachableMember(member)));
        foreach (var member in unreachableBefore.Except(unreachableAfter).Order())
        {
            // One that was removed is not reachable either.
            if (after.Gossip.Find(member.UniqueAddress) is { } current)
            {
                events.Add(new ClusterEvent.ReachableMember(current));
            }
        }
    }

    private static void AddMembers(List<ClusterEvent.IClusterDomainEvent> events, Gossip before, Gossip after)
    {
        foreach (var member in after.Members)
        {
            if (before.Find(member.UniqueAddress)?.Status != member.Status && EventOf(member) is { } happened)
            {
                events.Add(happened);
            }
        }

        foreach (var member in before.Members.Where(member => !after.HasMember(member.UniqueAddress)))
        {
            events.Add(new ClusterEvent.MemberRemoved(member.Copy(MemberStatus.Removed), member.Status));
        }
    }

    private static void AddLeaders(List<ClusterEvent.IClusterDomainEvent> events, MembershipState before, MembershipState after)
    {
        if (!Equals(before.Leader, after.Leader))
        {
            events.Add(new ClusterEvent.LeaderChanged(after.Leader?.Address));
        }

        foreach (var role in before.Roles.Union(after.Roles).Order(StringComparer.Ordinal))
        {
            var leader = after.RoleLeader(role);
            if (!Equals(before.RoleLeader(role), leader))
            {
                events.Add(new ClusterEvent.RoleLeaderChanged(role, leader?.Address));
            }
        }
    }

    private static ClusterEvent.IMemberEvent EventOf(Member member) => member.Status switch
    {
        MemberStatus.Joining => new ClusterEvent.MemberJoined(member),
        MemberStatus.WeaklyUp => new ClusterEvent.MemberWeaklyUp(member),
        MemberStatus.Up => new ClusterEvent.MemberUp(member),
        MemberStatus.Leaving => new ClusterEvent.MemberLeft(member),
        MemberStatus.Exiting => new ClusterEvent.MemberExited(member),
        MemberStatus.Down => new ClusterEvent.MemberDowned(member),
        MemberStatus.Removed => null,
        _ => throw new System.Diagnostics.UnreachableException($"Unknown status {member.Status}"),
    };
}
