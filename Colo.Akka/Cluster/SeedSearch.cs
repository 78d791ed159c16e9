using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Cluster;

/// <summary>
/// One search for a cluster among seed nodes. Only the first seed may found a cluster, and only after the others have
/// had time to say that there is one; so two seeds that start together do not found two. Pure.
/// </summary>
internal sealed class SeedSearch(int number, ImmutableList<Address> seeds, Address self)
{
    private readonly HashSet<Address> _refused = [];

    /// <summary>Tells timers of an old search from those of the present one.</summary>
    internal int Number { get; } = number;

    internal bool IsFirstSeed { get; } = seeds[0].Equals(self);

    /// <summary>Whom to ask.</summary>
    internal ImmutableList<Address> Others { get; } = [.. seeds.Where(seed => !seed.Equals(self)).Distinct()];

    /// <summary>Notes that a seed is in no cluster; true when that was the last hope and this node may found
    /// one.</summary>
    internal bool Refused(Address by)
    {
        if (Others.Contains(by))
        {
            _refused.Add(by);
        }

        return IsFirstSeed && _refused.Count == Others.Count;
    }
}
