using System.Collections.Immutable;
using Akka.Cluster;
using Akka.Cluster.SBR;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

public class DowningStrategyTests
{
    private static readonly DowningStrategy[] Strategies =
    [
        new KeepMajority(""), new StaticQuorum(3, ""), new KeepOldest(true, ""), new KeepOldest(false, ""), new DownAllNodes(),
    ];

    /// <summary>The view of one side: it is node by node reachable to itself and has lost the others.</summary>
    private static ClusterView Side(IReadOnlyList<Member> members, params int[] here)
    {
        var lost = members.Where(member => !here.Contains(member.UniqueAddress.Uid)).Select(member => member.UniqueAddress).ToList();
        var reachability = Reachability.Empty;
        foreach (var observer in here)
        {
            reachability = lost.Aggregate(reachability, (table, subject) => table.Unreachable(Nodes.At(observer), subject));
        }

        return new ClusterView([.. members], [.. lost], reachability, [.. here.Select(i => Nodes.At(i))]);
    }

    private static Member[] Up(int count) => [.. Enumerable.Range(1, count).Select(i => Nodes.Member(i))];

    [Fact]
    public void Nothing_happens_while_all_are_reachable() =>
        Assert.All(Strategies, strategy => Assert.Equal(Decision.None, strategy.Decide(Side(Up(3), 1, 2, 3))));

    [Fact]
    public void Keep_majority_keeps_the_larger_side()
    {
        var strategy = new KeepMajority("");
        Assert.Equal(Decision.DownUnreachable, strategy.Decide(Side(Up(5), 3, 4, 5)));
        Assert.Equal(Decision.DownReachable, strategy.Decide(Side(Up(5), 1, 2)));
    }

    [Fact]
    public void Keep_majority_gives_a_tie_to_the_lowest_address()
    {
        var strategy = new KeepMajority("");
        Assert.Equal(Decision.DownUnreachable, strategy.Decide(Side(Up(4), 1, 4)));
        Assert.Equal(Decision.DownReachable, strategy.Decide(Side(Up(4), 2, 3)));
    }

    // Found by the simulation: node 3 was cut off, took the leftovers for a web of half-broken links, and went on
    // alone.
    [Fact]
    public void Observations_that_a_node_is_back_make_nobody_indirectly_connected()
    {
        var removed = Nodes.At(4);
        var table = Reachability.Empty;
        foreach (var observer in (int[])[1, 2])
        {
            var back = Nodes.At(3 - observer);
            table = table.Unreachable(Nodes.At(observer), removed).Unreachable(Nodes.At(observer), back)
                .Reachable(Nodes.At(observer), back);
        }

        table = table.Remove(new HashSet<UniqueAddress> { removed });
        Assert.NotEmpty(table.Records);
        Assert.True(table.IsAllReachable);
        table = table.Unreachable(Nodes.At(3), Nodes.At(1)).Unreachable(Nodes.At(3), Nodes.At(2));
        var view = new ClusterView([.. Up(3)], [Nodes.At(1), Nodes.At(2)], table, [Nodes.At(3)]);
        Assert.Empty(view.IndirectlyConnected);
        Assert.Equal(Decision.DownReachable, new KeepMajority("").Decide(view));
    }

    // Found by the simulation as well: node 3 was paused while node 5 was lost and downed, and took the three that had
    // said so for indirectly connected.
    [Fact]
    public void What_is_said_of_a_member_that_is_down_already_makes_nobody_indirectly_connected()
    {
        var table = Reachability.Empty;
        foreach (var other in (int[])[1, 2, 4])
        {
            table = table.Unreachable(Nodes.At(other), Nodes.At(5)).Unreachable(Nodes.At(3), Nodes.At(other));
        }

        Member[] members = [.. Enumerable.Range(1, 4).Select(i => Nodes.Member(i)), Nodes.Member(5, MemberStatus.Down)];
        ClusterView view = new(
            [.. members], [Nodes.At(1), Nodes.At(2), Nodes.At(4), Nodes.At(5)], table, [Nodes.At(3)]);

        Assert.Empty(view.IndirectlyConnected);
        Assert.Equal(Decision.DownReachable, new KeepMajority("").Decide(view));
    }

    [Fact]
    public void Keep_majority_counts_only_its_role_and_not_those_that_are_joining()
    {
        Member[] members = [Nodes.Member(1, roles: "a"), Nodes.Member(2), Nodes.Member(3), Nodes.Member(4, MemberStatus.Joining, null, "a")];
        Assert.Equal(Decision.DownUnreachable, new KeepMajority("a").Decide(Side(members, 1, 4)));
        Assert.Equal(Decision.DownAll, new KeepMajority("nobody").Decide(Side(members, 1, 2)));
    }

    [Fact]
    public void Keep_majority_downs_all_when_members_that_may_have_come_up_there_could_turn_the_count()
    {
        Member[] members =
        [
            Nodes.Member(1), Nodes.Member(2), Nodes.Member(3), Nodes.Member(4, MemberStatus.Joining), Nodes.Member(5, MemberStatus.Joining),
        ];
        Assert.Equal(Decision.DownAll, new KeepMajority("").Decide(Side(members, 1, 2)));
    }

    [Fact]
    public void Static_quorum_keeps_the_side_that_has_it()
    {
        var strategy = new StaticQuorum(3, "");
        Assert.Equal(Decision.DownUnreachable, strategy.Decide(Side(Up(5), 1, 2, 3)));
        Assert.Equal(Decision.DownReachable, strategy.Decide(Side(Up(5), 4, 5)));
        Assert.Equal(Decision.DownAll, strategy.Decide(Side(Up(6), 1, 2, 3)));
    }

    [Fact]
    public void Keep_oldest_keeps_the_side_of_the_oldest_unless_it_is_alone()
    {
        Assert.Equal(Decision.DownUnreachable, new KeepOldest(true, "").Decide(Side(Up(5), 1, 2)));
        Assert.Equal(Decision.DownReachable, new KeepOldest(true, "").Decide(Side(Up(5), 3, 4, 5)));
        Assert.Equal(Decision.DownReachable, new KeepOldest(true, "").Decide(Side(Up(3), 1)));
        Assert.Equal(Decision.DownUnreachable, new KeepOldest(true, "").Decide(Side(Up(3), 2, 3)));
        Assert.Equal(Decision.DownUnreachable, new KeepOldest(false, "").Decide(Side(Up(3), 1)));
        Assert.Equal(Decision.DownUnreachable, new KeepOldest(true, "").Decide(Side(Up(2), 1)));
        Assert.Equal(Decision.DownReachable, new KeepOldest(true, "").Decide(Side(Up(2), 2)));
    }

    [Fact]
    public void Down_all_downs_all()
    {
        var view = Side(Up(3), 1, 2);
        Assert.Equal(3, view.NodesToDown(new DownAllNodes().Decide(view), new DownAllNodes()).Count);
    }

    [Fact]
    public void Lease_majority_asks_later_on_the_smaller_side()
    {
        var strategy = new LeaseMajority("", TimeSpan.FromSeconds(2));
        Assert.Equal(Decision.AcquireLeaseAndDownUnreachable, strategy.Decide(Side(Up(3), 1)));
        Assert.Equal(TimeSpan.FromSeconds(2), strategy.LeaseDelay(Side(Up(3), 1)));
        Assert.Equal(TimeSpan.Zero, strategy.LeaseDelay(Side(Up(3), 2, 3)));
        var view = Side(Up(3), 1);
        Assert.Equal([Nodes.At(1)], view.NodesToDownWithoutLease(Decision.AcquireLeaseAndDownUnreachable));
    }

    [Fact]
    public void Members_that_some_see_and_some_do_not_go_down()
    {
        // 1 and 2 have lost each other, but both see 3.
        var view = new ClusterView(
            [.. Up(3)],
            [Nodes.At(1), Nodes.At(2)],
            Reachability.Empty.Unreachable(Nodes.At(1), Nodes.At(2)).Unreachable(Nodes.At(2), Nodes.At(1)),
            [Nodes.At(1), Nodes.At(2), Nodes.At(3)]);
        var strategy = new KeepMajority("");
        Assert.Equal(Decision.DownIndirectlyConnected, strategy.Decide(view));
        Assert.Equal([Nodes.At(1), Nodes.At(2)], view.NodesToDown(Decision.DownIndirectlyConnected, strategy).Order());
    }

    [Fact]
    public void A_clean_split_beside_indirectly_connected_members_is_decided_as_well()
    {
        // 1 and 2 as above; 5 is lost to all.
        var reachability = Reachability.Empty.Unreachable(Nodes.At(1), Nodes.At(2)).Unreachable(Nodes.At(2), Nodes.At(1))
            .Unreachable(Nodes.At(3), Nodes.At(5)).Unreachable(Nodes.At(4), Nodes.At(5));
        var view = new ClusterView(
            [.. Up(5)], [Nodes.At(1), Nodes.At(2), Nodes.At(5)], reachability, [.. Enumerable.Range(1, 4).Select(i => Nodes.At(i))]);
        Assert.Equal(
            [Nodes.At(1), Nodes.At(2), Nodes.At(5)],
            view.NodesToDown(Decision.DownIndirectlyConnected, new KeepMajority("")).Order());
    }

    [Fact]
    public void Two_sides_of_any_clean_split_never_both_survive()
    {
        var random = new Random(11);
        for (var round = 0; round < 3000; round++)
        {
            var count = random.Next(2, 17);
            var members = Enumerable.Range(1, count)
                .Select(i => Nodes.Member(i, random.Next(6) == 0 ? MemberStatus.Leaving : MemberStatus.Up, random.Next(1, 100)))
                .ToArray();
            var left = Enumerable.Range(1, count).Where(_ => random.Next(2) == 0).ToArray();
            var right = Enumerable.Range(1, count).Except(left).ToArray();
            if (left.Length == 0 || right.Length == 0)
            {
                continue;
            }

            foreach (var strategy in Strategies)
            {
                var survivors = Survivors(strategy, members, left) + Survivors(strategy, members, right);
                Assert.True(survivors <= 1, $"seed 11, round {round}: {strategy} keeps both of {string.Join(",", left)} | {string.Join(",", right)}");
            }
        }

        static int Survivors(DowningStrategy strategy, Member[] members, int[] side)
        {
            var view = Side(members, side);
            var downed = view.NodesToDown(strategy.Decide(view), strategy);
            return side.Any(i => !downed.Contains(Nodes.At(i))) ? 1 : 0;
        }
    }
}
