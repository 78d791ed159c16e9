using Colo.Host.Cluster;
using Colo.Host.Tests.Cli;

namespace Colo.Host.Tests.Cluster;

public sealed class ClusterStatusTests
{
    [Theory]
    [InlineData("Protected", "Primary", "PROTECTED")]
    [InlineData("Protected", "Secondary", "PROTECTED")]
    [InlineData("Unprotected", "Solo", "NOT PROTECTED")]
    [InlineData("Protecting", "Solo", "NOT PROTECTED")]
    [InlineData("Holding", "Primary", "HOLDING")]
    [InlineData("Parked", "None", "NOT RUNNING")]
    [InlineData("Off", "None", "OFF")]
    [InlineData("Splendid", "Primary", "UNKNOWN")]
    public void Only_a_protected_vm_reads_as_protected(string protection, string role, string word) =>
        Assert.Equal(
            word, ClusterStatus.WordOf(
            FakeNode.View(protection, role), [Member("node-a", "Up"), Member("node-b", "Up")]));

    [Theory]
    [InlineData("Unreachable", "Up")]
    [InlineData("Up", "Unreachable")]
    [InlineData("Up", "Joining")]
    public void A_host_of_the_pair_that_is_not_heard_makes_it_unknown(string owner, string peer) =>
        Assert.Equal(
            "UNKNOWN",
            ClusterStatus.WordOf(
            FakeNode.View("Protected", "Primary"), [Member("node-a", owner), Member("node-b", peer)]));

    [Fact]
    public void Old_news_of_the_owner_are_not_current() => Assert.Equal(
        "UNKNOWN",
        ClusterStatus.WordOf(
            FakeNode.View("Protected", "Primary"),
            [Member("node-a", "Up") with { IsFresh = false }, Member("node-b", "Up")]));

    [Fact]
    public void What_the_owner_said_long_ago_is_not_current_though_it_is_heard() => Assert.Equal(
        "UNKNOWN",
        ClusterStatus.WordOf(
            FakeNode.View("Protected", "Primary"), [Member("node-a", "Up"), Member("node-b", "Up")], 11_000));

    [Fact]
    public void Placement_takes_the_most_memory_never_one_host_twice_and_another_failure_domain_where_there_is_one()
    {
        MemberView[] members =
        [
            Host("a", 8, "rack1"), Host("b", 7, "rack1"), Host("c", 6, "rack2"), Host("d", 1, "rack3"),
            Member("w", "Up") with { Facts = Facts("w", 8, "rack9") with { IsWitness = true } },
            Host("x", 8, "rack4") with { Status = "Unreachable" },
            Host("y", 8, "rack5") with { Facts = Facts("y", 8, "rack5") with { IsDraining = true } },
        ];
        Assert.Equal(["a", "c", "b"], Placement.Choose(2L << 30, members));
        Assert.Equal(["a"], Placement.Choose(8L << 30, [Host("a", 8, ""), Host("b", 7, "")]));
        Assert.Empty(Placement.Choose(9L << 30, members));
        Assert.Contains("w is a witness", Placement.Reasons(9L << 30, members));
    }

    private static MemberView Host(string name, long freeGiB, string domain) =>
        Member(name, "Up") with { Facts = Facts(name, freeGiB, domain) };

    private static MemberView Member(string name, string status) =>
        new(name, status, ["host"], 1, 10, 0.3, [true], null, null, null);

    private static NodeFacts Facts(string name, long freeGiB, string domain) =>
        new(name, false, domain, freeGiB << 30, 8L << 30, 0, 0, false, true, "witness", "0");
}
