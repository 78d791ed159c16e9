using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>
/// Who watches whom: nodes stand on a ring in the order of a hash of their address, and each sends heartbeats to the
/// next few. An unreachable neighbour is watched on but not counted, so the set grows by the next reachable one.
/// Immutable.
/// </summary>
internal sealed record HeartbeatRing(
    UniqueAddress Self,
    ImmutableHashSet<UniqueAddress> Nodes,
    ImmutableHashSet<UniqueAddress> Unreachable,
    int MonitoredByNrOfMembers)
{
    /// <summary>The nodes that <see cref="Self"/> watches.</summary>
    internal ImmutableHashSet<UniqueAddress> MyReceivers => ReceiversOf(Self);

    /// <summary>The nodes that <paramref name="sender"/> watches.</summary>
    internal ImmutableHashSet<UniqueAddress> ReceiversOf(UniqueAddress sender)
    {
        var others = Nodes.Remove(sender);
        if (MonitoredByNrOfMembers >= others.Count)
        {
            return others;
        }

        var ring = others.Add(sender).OrderBy(RingPosition).ThenBy(node => node).ToList();
        var start = ring.IndexOf(sender);
        var receivers = ImmutableHashSet.CreateBuilder<UniqueAddress>();
        var counted = 0;
        for (var i = 1; i < ring.Count && counted < MonitoredByNrOfMembers; i++)
        {
            var node = ring[(start + i) % ring.Count];
            receivers.Add(node);
            counted += Unreachable.Contains(node) ? 0 : 1;
        }

        return receivers.ToImmutable();
    }

    // FNV-1a over the text: every node must compute the same order, so string.GetHashCode, which differs by process,
    // will not do. The hash spreads racks and hosts with consecutive addresses over the ring.
    private static uint RingPosition(UniqueAddress node)
    {
        var hash = 2166136261u;
        foreach (var c in node.Address.ToString())
        {
            hash = unchecked((hash ^ c) * 16777619u);
        }

        return unchecked((hash ^ (uint)node.Uid) * 16777619u);
    }
}
