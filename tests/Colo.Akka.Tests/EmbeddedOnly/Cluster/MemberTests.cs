using Akka.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

public class MemberTests
{
    [Fact]
    public void Only_the_documented_moves_are_allowed()
    {
        var allowed = new Dictionary<MemberStatus, MemberStatus[]>
        {
            [MemberStatus.Joining] = [MemberStatus.WeaklyUp, MemberStatus.Up, MemberStatus.Leaving, MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.WeaklyUp] = [MemberStatus.Up, MemberStatus.Leaving, MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.Up] = [MemberStatus.Leaving, MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.Leaving] = [MemberStatus.Exiting, MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.Exiting] = [MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.Down] = [MemberStatus.Removed],
            [MemberStatus.Removed] = [],
        };
        foreach (var from in Enum.GetValues<MemberStatus>())
        {
            foreach (var to in Enum.GetValues<MemberStatus>().Where(to => to != from))
            {
                if (allowed[from].Contains(to))
                {
                    Assert.Equal(to, Nodes.Member(1, from).Copy(to).Status);
                }
                else
                {
                    Assert.Throws<InvalidOperationException>(() => Nodes.Member(1, from).Copy(to));
                }
            }
        }
    }

    [Fact]
    public void Equality_is_that_of_the_unique_address() =>
        Assert.Equal(Nodes.Member(1), Nodes.Member(1, MemberStatus.Leaving));

    [Fact]
    public void The_lower_up_number_is_older_and_a_tie_goes_by_address()
    {
        Assert.True(Nodes.Member(9, upNumber: 1).IsOlderThan(Nodes.Member(1, upNumber: 2)));
        Assert.True(Nodes.Member(1, upNumber: 2).IsOlderThan(Nodes.Member(2, upNumber: 2)));
        Assert.Equal(1, Nodes.Member(1, MemberStatus.Joining).CopyUp(1).UpNumber);
    }

    [Fact]
    public void Sorts_by_host_then_port() =>
        Assert.Equal([Nodes.Member(1), Nodes.Member(2)], new[] { Nodes.Member(2), Nodes.Member(1) }.Order());

    [Theory]
    [InlineData(MemberStatus.Up, MemberStatus.Down, MemberStatus.Down)]
    [InlineData(MemberStatus.Joining, MemberStatus.Up, MemberStatus.Up)]
    [InlineData(MemberStatus.WeaklyUp, MemberStatus.Up, MemberStatus.Up)]
    [InlineData(MemberStatus.Leaving, MemberStatus.Up, MemberStatus.Leaving)]
    [InlineData(MemberStatus.Exiting, MemberStatus.Down, MemberStatus.Down)]
    public void The_status_with_priority_wins(MemberStatus a, MemberStatus b, MemberStatus winner)
    {
        Assert.Equal(winner, Member.HighestPriorityOf(Nodes.Member(1, a), Nodes.Member(1, b)).Status);
        Assert.Equal(winner, Member.HighestPriorityOf(Nodes.Member(1, b), Nodes.Member(1, a)).Status);
    }

    [Fact]
    public void A_member_that_only_one_side_knows_stays_unless_it_is_on_its_way_out()
    {
        var picked = Member.PickHighestPriority([Nodes.Member(1), Nodes.Member(2, MemberStatus.Down)], [Nodes.Member(3)]);
        Assert.Equal([Nodes.Member(1), Nodes.Member(3)], picked.Order());
    }
}
