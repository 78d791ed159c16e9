namespace Akka.Cluster;

/// <summary>
/// Whom to gossip to: reachable members, preferably those that have not seen the latest view, so that it reaches all
/// sooner than by pure chance.
/// </summary>
internal sealed class GossipTargets(UniqueAddress self, double differentViewProbability)
{
    private readonly Random _random = new(self.Uid);

    /// <summary>At most this many, each once.</summary>
    internal List<UniqueAddress> Pick(Gossip gossip, int count)
    {
        var targets = gossip.Members
            .Select(member => member.UniqueAddress)
            .Where(node => !node.Equals(self) && gossip.Reachability.IsReachable(self, node))
            .ToList();
        var picked = new List<UniqueAddress>();
        while (picked.Count < count && targets.Count > 0)
        {
            var next = PickOne(gossip, targets);
            targets.Remove(next);
            picked.Add(next);
        }

        return picked;
    }

    private UniqueAddress PickOne(Gossip gossip, List<UniqueAddress> targets)
    {
        var unseen = targets.Where(node => !gossip.IsSeenBy(node)).ToList();
        var from = unseen.Count > 0 && _random.NextDouble() < differentViewProbability ? unseen : targets;
        return from[_random.Next(from.Count)];
    }
}
