using Akka.Cluster;

namespace Colo.Akka.Tests.EmbeddedOnly.Cluster;

public class GossipTests
{
    [Fact]
    public void A_merge_forgets_who_has_seen_and_follows_both_versions()
    {
        var a = Nodes.Gossip(Nodes.Member(1)).Increment(Nodes.At(1)).Seen(Nodes.At(1));
        var b = Nodes.Gossip(Nodes.Member(2)).Increment(Nodes.At(2)).Seen(Nodes.At(2));
        var merged = a.Merge(b);
        Assert.Empty(merged.SeenBy);
        Assert.Equal(2, merged.Members.Count);
        Assert.Equal(CausalOrder.After, merged.Version.CompareTo(a.Version));
        Assert.Equal(CausalOrder.After, merged.Version.CompareTo(b.Version));
    }

    [Fact]
    public void A_merge_does_not_bring_a_removed_member_back()
    {
        var both = Nodes.Gossip(Nodes.Member(1), Nodes.Member(2)).Increment(Nodes.At(1));
        var removed = both.Remove([Nodes.At(2)], now: 5).Increment(Nodes.At(1));
        var stale = both.Increment(Nodes.At(2));
        Assert.False(removed.Merge(stale).HasMember(Nodes.At(2)));
        Assert.False(stale.Merge(removed).HasMember(Nodes.At(2)));
        Assert.True(removed.PruneTombstones(6).Tombstones.IsEmpty);
        Assert.False(removed.PruneTombstones(5).Tombstones.IsEmpty);
    }

    [Fact]
    public void The_newer_gossip_is_taken_and_the_older_is_answered()
    {
        var old = Nodes.Gossip(Nodes.Member(1), Nodes.Member(2)).Increment(Nodes.At(1));
        var next = old.Increment(Nodes.At(2)).OnlySeenBy(Nodes.At(2));
        var newer = GossipReceived.Join(old, next, Nodes.At(1));
        Assert.Equal((GossipKind.Newer, true), (newer.Kind, newer.TalkBack));
        Assert.Same(next, newer.Gossip);
        var older = GossipReceived.Join(next, old, Nodes.At(2));
        Assert.Equal((GossipKind.Older, true), (older.Kind, older.TalkBack));
        Assert.Same(next, older.Gossip);
    }

    [Fact]
    public void The_same_version_joins_those_who_have_seen_it()
    {
        var gossip = Nodes.Gossip(Nodes.Member(1), Nodes.Member(2)).Increment(Nodes.At(1));
        var same = GossipReceived.Join(gossip.OnlySeenBy(Nodes.At(1)), gossip.OnlySeenBy(Nodes.At(2)), Nodes.At(1));
        Assert.Equal(GossipKind.Same, same.Kind);
        Assert.True(same.TalkBack);
        Assert.Equal(2, same.Gossip.SeenBy.Count);
    }

    [Fact]
    public void Random_exchanges_end_in_the_same_view_everywhere()
    {
        for (var seed = 1; seed <= 200; seed++)
        {
            var random = new Random(seed);
            var count = random.Next(2, 8);
            var members = Enumerable.Range(1, count).Select(i => Nodes.Member(i)).ToArray();
            var start = Nodes.Gossip(members);
            var views = Enumerable.Repeat(start, count).ToArray();
            for (var step = 0; step < 30; step++)
            {
                var i = random.Next(count);
                var self = Nodes.At(i + 1);
                if (random.Next(3) == 0)
                {
                    var subject = Nodes.At(random.Next(1, count + 1));
                    views[i] = (views[i] with { Reachability = views[i].Reachability.Unreachable(self, subject) })
                        .Increment(self).OnlySeenBy(self);
                }
                else
                {
                    views[i] = GossipReceived.Join(views[i], views[random.Next(count)], self).Gossip.Seen(self);
                }
            }

            for (var round = 0; round < 4; round++)
            {
                for (var i = 0; i < count * count; i++)
                {
                    var to = i % count;
                    views[to] = GossipReceived.Join(views[to], views[i / count], Nodes.At(to + 1)).Gossip.Seen(Nodes.At(to + 1));
                }
            }

            Assert.True(
                views.All(view => view.Version.CompareTo(views[0].Version) == CausalOrder.Same
                    && view.SeenBy.Count == count
                    && view.Reachability.AllUnreachable.SetEquals(views[0].Reachability.AllUnreachable)),
                $"seed {seed}: {string.Join("\n", views.Select(view => view.ToString()))}");
        }
    }
}
