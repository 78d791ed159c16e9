using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>How two versions of the gossip relate.</summary>
internal enum CausalOrder
{
    Same,
    Before,
    After,
    Concurrent,
}

/// <summary>
/// Counts the changes that each node made, so that of two versions one can say which came first, or that neither knew
/// the other (Lamport 1978; Fidge and Mattern 1988). Immutable.
/// </summary>
internal sealed class VectorClock
{
    internal static readonly VectorClock Empty = new(ImmutableSortedDictionary<UniqueAddress, long>.Empty);

    internal VectorClock(ImmutableSortedDictionary<UniqueAddress, long> counts) => Counts = counts;

    internal ImmutableSortedDictionary<UniqueAddress, long> Counts { get; }

    internal VectorClock Increment(UniqueAddress node) =>
        new(Counts.SetItem(node, Counts.GetValueOrDefault(node) + 1));

    internal CausalOrder CompareTo(VectorClock other)
    {
        var behind = false;
        var ahead = false;
        foreach (var (node, count) in Counts)
        {
            var theirs = other.Counts.GetValueOrDefault(node);
            behind |= count < theirs;
            ahead |= count > theirs;
        }

        foreach (var (node, _) in other.Counts)
        {
            behind |= !Counts.ContainsKey(node);
        }

        return (behind, ahead) switch
        {
            (false, false) => CausalOrder.Same,
            (true, false) => CausalOrder.Before,
            (false, true) => CausalOrder.After,
            (true, true) => CausalOrder.Concurrent,
        };
    }

    internal VectorClock Merge(VectorClock other)
    {
        var merged = Counts.ToBuilder();
        foreach (var (node, count) in other.Counts)
        {
            merged[node] = Math.Max(count, merged.GetValueOrDefault(node));
        }

        return new VectorClock(merged.ToImmutable());
    }

    internal VectorClock Prune(UniqueAddress removed) => Counts.ContainsKey(removed) ? new(Counts.Remove(removed)) : this;

    public override string ToString() =>
        $"VectorClock({string.Join(", ", Counts.Select(item => $"{item.Key.Address} -> {item.Value}"))})";
}
