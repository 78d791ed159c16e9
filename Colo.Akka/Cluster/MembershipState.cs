using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>
/// The gossip as one node reads it: who leads, whether all have the same view, and what a leader has to do. Pure.
/// </summary>
internal sealed record MembershipState(Gossip Gossip, UniqueAddress Self)
{
    /// <summary>Members that must have seen a version before the cluster agrees on it.</summary>
    private static readonly ImmutableHashSet<MemberStatus> MustHaveSeen = [MemberStatus.Up, MemberStatus.Leaving];

    /// <summary>Unreachable members that do not stop the cluster from agreeing, and that the leader then
    /// removes.</summary>
    private static readonly ImmutableHashSet<MemberStatus> OnTheirWayOut = [MemberStatus.Down, MemberStatus.Exiting];

    /// <summary>What is said of whom, without what downed members say and without what is said of oneself.</summary>
    internal Reachability Reachability
    {
        get
        {
            var downed = Gossip.Members.Where(member => member.Status == MemberStatus.Down)
                .Select(member => member.UniqueAddress)
                .ToImmutableHashSet();
            return Gossip.Reachability.RemoveObservers(downed);
        }
    }

    internal Member SelfMember => Gossip.Find(Self) ?? Member.Removed(Self);

    internal MemberStatus SelfStatus => SelfMember.Status;

    internal UniqueAddress Leader => LeaderOf(Gossip.Members);

    internal bool IsLeader => Self.Equals(Leader);

    internal UniqueAddress RoleLeader(string role) => LeaderOf(Gossip.Members.Where(member => member.HasRole(role)));

    internal ImmutableHashSet<string> Roles => [.. Gossip.Members.SelectMany(member => member.Roles)];

    internal ImmutableHashSet<Member> UnreachableMembers =>
        [.. Reachability.AllUnreachableOrTerminated.Where(node => !node.Equals(Self)).Select(Gossip.Find).OfType<Member>()];

    /// <summary>
    /// Whether every member that counts has seen this version and every unreachable one is on its way out. Members that
    /// have confirmed their exit are not waited for.
    /// </summary>
    internal bool IsConverged(IReadOnlySet<UniqueAddress> exitingConfirmed)
    {
        var unreachable = Reachability.AllUnreachableOrTerminated
            .Where(node => !node.Equals(Self) && !exitingConfirmed.Contains(node))
            .Select(Gossip.Find)
            .OfType<Member>();
        return unreachable.All(member => OnTheirWayOut.Contains(member.Status))
            && Gossip.Members.All(member => !MustHaveSeen.Contains(member.Status)
                || Gossip.IsSeenBy(member.UniqueAddress) || exitingConfirmed.Contains(member.UniqueAddress));
    }

    /// <summary>The first by address of the reachable members that are Up or Leaving; failing these, of any that are
    /// not on their way out.</summary>
    private UniqueAddress LeaderOf(IEnumerable<Member> members)
    {
        var reachability = Reachability;
        var candidates = members
            .Where(member => member.Status != MemberStatus.Down
                && (reachability.IsReachable(member.UniqueAddress) || member.UniqueAddress.Equals(Self)))
            .ToList();
        var leader = candidates.Find(member => MustHaveSeen.Contains(member.Status))
            ?? candidates.Order(Member.LeaderStatusOrdering).FirstOrDefault();
        return leader?.UniqueAddress;
    }

    /// <summary>What the leader does once all agree: joining members come up, leaving ones exit, those on their way out
    /// are removed.</summary>
    /// <param name="exitingConfirmed">Members that said that they are stopping, after they had left or were given
    /// up.</param>
    /// <param name="minimumMembers">Nobody comes up before the cluster (and each role) has this many members.</param>
    /// <param name="now">Milliseconds, for the tombstones.</param>
    internal LeaderActions ActOnConvergence(
        IReadOnlySet<UniqueAddress> exitingConfirmed, MinimumMembers minimumMembers, long now)
    {
        var reachability = Reachability;
        var removed = Gossip.Members
            .Where(member => OnTheirWayOut.Contains(member.Status)
                && !member.UniqueAddress.Equals(Self)
                && (!reachability.IsReachable(member.UniqueAddress)
                    || exitingConfirmed.Contains(member.UniqueAddress)))
            .ToImmutableList();
        var changed = Gossip.Members.Where(m => m.Status == MemberStatus.Leaving).Select(m => m.Copy(MemberStatus.Exiting)).ToList();
        if (minimumMembers.AreReached(Gossip.Members))
        {
            changed.AddRange(ComeUp());
        }

        if (removed.IsEmpty && changed.Count == 0)
        {
            return new LeaderActions(Gossip, [], []);
        }

        var gossip = Gossip.Update(changed).Remove(removed.ConvertAll(member => member.UniqueAddress), now);
        return new LeaderActions(gossip, removed, [.. changed]);
    }

    /// <summary>While the cluster cannot agree, joining members that are seen as reachable come up weakly.</summary>
    internal LeaderActions MoveJoiningToWeaklyUp(MinimumMembers minimumMembers)
    {
        var reachability = Reachability;
        var changed = !minimumMembers.AreReached(Gossip.Members)
            ? []
            : Gossip.Members
                .Where(m => m.Status == MemberStatus.Joining && reachability.IsReachable(m.UniqueAddress))
                .Select(m => m.Copy(MemberStatus.WeaklyUp))
                .ToImmutableList();
        return new LeaderActions(changed.IsEmpty ? Gossip : Gossip.Update(changed), [], changed);
    }

    private List<Member> ComeUp()
    {
        // Numbers grow from the youngest that is up; a removed youngest does not matter, only the order among the
        // living does.
        var next = Gossip.Members.Where(member => member.UpNumber != int.MaxValue).Select(member => member.UpNumber).DefaultIfEmpty(0).Max() + 1;
        return
        [
            .. Gossip.Members
                .Where(member => member.Status is MemberStatus.Joining or MemberStatus.WeaklyUp)
                .Select(member => member.CopyUp(next++)),
        ];
    }
}

/// <summary>The gossip after the leader has acted, with the members that it removed and those whose status it
/// changed.</summary>
internal sealed record LeaderActions(Gossip Gossip, ImmutableList<Member> Removed, ImmutableList<Member> Changed)
{
    internal bool IsEmpty => Removed.IsEmpty && Changed.IsEmpty;
}

/// <summary><c>min-nr-of-members</c> of the cluster and of single roles.</summary>
internal sealed record MinimumMembers(int Total, ImmutableDictionary<string, int> ByRole)
{
    internal bool AreReached(ImmutableSortedSet<Member> members) =>
        members.Count >= Total && ByRole.All(role => members.Count(member => member.HasRole(role.Key)) >= role.Value);
}
