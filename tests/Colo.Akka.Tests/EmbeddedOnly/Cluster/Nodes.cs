using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;
using Akka.Util;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

/// <summary>Builds members for tests: node 3 is at 10.0.0.3 with uid 3.</summary>
internal static class Nodes
{
    internal static UniqueAddress At(int number, int? uid = null) =>
        new(new Address("akka.tcp", "sys", $"10.0.0.{number}", 2552), uid ?? number);

    internal static Member Member(int number, MemberStatus status = MemberStatus.Up, int? upNumber = null, params string[] roles) =>
        global::Akka.Cluster.Member.Create(
            At(number),
            upNumber ?? (status is MemberStatus.Joining or MemberStatus.WeaklyUp ? int.MaxValue : number),
            status,
            [.. roles],
            AppVersion.Zero);

    internal static Gossip Gossip(params Member[] members) =>
        global::Akka.Cluster.Gossip.Empty with { Members = members.ToImmutableSortedSet() };
}
