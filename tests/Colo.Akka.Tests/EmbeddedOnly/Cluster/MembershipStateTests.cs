using System.Collections.Immutable;
using Akka.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

public class MembershipStateTests
{
    private static readonly MinimumMembers NoMinimum = new(1, ImmutableDictionary<string, int>.Empty);
    private static readonly ImmutableHashSet<UniqueAddress> Nobody = [];

    private static MembershipState State(Gossip gossip, int self = 1) => new(gossip, Nodes.At(self));

    private static Gossip SeenByAll(Gossip gossip) =>
        gossip with { SeenBy = [.. gossip.Members.Select(member => member.UniqueAddress)] };

    [Fact]
    public void The_first_reachable_member_that_is_up_leads()
    {
        var gossip = Nodes.Gossip(Nodes.Member(1, MemberStatus.Joining), Nodes.Member(2), Nodes.Member(3));
        Assert.Equal(Nodes.At(2), State(gossip).Leader);
        var without2 = gossip with { Reachability = Reachability.Empty.Unreachable(Nodes.At(3), Nodes.At(2)) };
        Assert.Equal(Nodes.At(3), State(without2).Leader);
        Assert.Equal(Nodes.At(2), State(without2, self: 2).Leader);
    }

    [Fact]
    public void A_joining_member_leads_when_nobody_is_up() =>
        Assert.Equal(Nodes.At(1), State(Nodes.Gossip(Nodes.Member(1, MemberStatus.Joining))).Leader);

    [Fact]
    public void Each_role_has_its_own_leader()
    {
        var gossip = Nodes.Gossip(Nodes.Member(1, roles: "a"), Nodes.Member(2, roles: "b"), Nodes.Member(3, roles: "b"));
        Assert.Equal(Nodes.At(2), State(gossip).RoleLeader("b"));
        Assert.Null(State(gossip).RoleLeader("c"));
    }

    [Fact]
    public void Converged_when_all_that_are_up_have_seen_it()
    {
        var gossip = Nodes.Gossip(Nodes.Member(1), Nodes.Member(2), Nodes.Member(3, MemberStatus.Joining));
        Assert.False(State(gossip.Seen(Nodes.At(1))).IsConverged(Nobody));
        Assert.True(State(gossip.Seen(Nodes.At(1)).Seen(Nodes.At(2))).IsConverged(Nobody));
    }

    [Fact]
    public void An_unreachable_member_hinders_until_it_is_on_its_way_out()
    {
        var gossip = SeenByAll(Nodes.Gossip(Nodes.Member(1), Nodes.Member(2)))
            with { Reachability = Reachability.Empty.Unreachable(Nodes.At(1), Nodes.At(2)) };
        Assert.False(State(gossip).IsConverged(Nobody));
        Assert.True(State(gossip.Update([Nodes.Member(2, MemberStatus.Down)])).IsConverged(Nobody));
    }

    [Fact]
    public void What_a_downed_member_says_does_not_count()
    {
        var gossip = SeenByAll(Nodes.Gossip(Nodes.Member(1), Nodes.Member(2, MemberStatus.Down)))
            with { Reachability = Reachability.Empty.Unreachable(Nodes.At(2), Nodes.At(1)) };
        Assert.True(State(gossip).IsConverged(Nobody));
    }

    [Fact]
    public void The_leader_numbers_those_that_come_up()
    {
        var gossip = Nodes.Gossip(Nodes.Member(1, upNumber: 4), Nodes.Member(2, MemberStatus.Joining), Nodes.Member(3, MemberStatus.WeaklyUp));
        var actions = State(gossip).ActOnConvergence(Nobody, NoMinimum, now: 0);
        Assert.Equal([4, 5, 6], actions.Gossip.Members.Select(member => member.UpNumber));
        Assert.All(actions.Gossip.Members, member => Assert.Equal(MemberStatus.Up, member.Status));
    }

    [Fact]
    public void Nobody_comes_up_below_the_minimum()
    {
        var gossip = Nodes.Gossip(Nodes.Member(1, MemberStatus.Joining, roles: "a"), Nodes.Member(2, MemberStatus.Joining));
        Assert.True(State(gossip).ActOnConvergence(Nobody, new MinimumMembers(3, ImmutableDictionary<string, int>.Empty), 0).IsEmpty);
        var byRole = new MinimumMembers(1, ImmutableDictionary<string, int>.Empty.Add("a", 2));
        Assert.True(State(gossip).ActOnConvergence(Nobody, byRole, 0).IsEmpty);
        Assert.True(State(gossip).MoveJoiningToWeaklyUp(byRole).IsEmpty);
    }

    [Fact]
    public void Leaving_members_exit_and_confirmed_or_dead_ones_are_removed()
    {
        var gossip = Nodes.Gossip(
            Nodes.Member(1),
            Nodes.Member(2, MemberStatus.Leaving),
            Nodes.Member(3, MemberStatus.Exiting),
            Nodes.Member(4, MemberStatus.Exiting),
            Nodes.Member(5, MemberStatus.Down))
            with { Reachability = Reachability.Empty.Unreachable(Nodes.At(1), Nodes.At(5)) };
        var actions = State(gossip).ActOnConvergence(ImmutableHashSet.Create(Nodes.At(3)), NoMinimum, now: 77);
        Assert.Equal([Nodes.Member(3), Nodes.Member(5)], actions.Removed);
        Assert.Equal([MemberStatus.Up, MemberStatus.Exiting, MemberStatus.Exiting], actions.Gossip.Members.Select(m => m.Status));
        Assert.Equal(77, actions.Gossip.Tombstones[Nodes.At(5)]);
    }
}
