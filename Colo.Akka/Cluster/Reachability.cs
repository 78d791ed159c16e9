using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>
/// Who sees whom. Each observer owns its row of observations and a version that grows with each change of the row, so
/// that two tables merge row by row by taking the newer one. A row in which everything is reachable is dropped.
/// Immutable.
/// </summary>
internal sealed class Reachability
{
    internal static readonly Reachability Empty = new([], ImmutableDictionary<UniqueAddress, long>.Empty);

    internal Reachability(ImmutableList<ReachabilityRecord> records, ImmutableDictionary<UniqueAddress, long> versions)
    {
        Records = records;
        Versions = versions;
    }

    internal ImmutableList<ReachabilityRecord> Records { get; }

    internal ImmutableDictionary<UniqueAddress, long> Versions { get; }

    internal bool IsAllReachable => Records.All(record => record.Status == ReachabilityStatus.Reachable);

    /// <summary>Subjects that at least one observer calls unreachable and nobody terminated, without those that are
    /// both.</summary>
    internal ImmutableHashSet<UniqueAddress> AllUnreachable =>
        [.. AllUnreachableOrTerminated.Where(node => StatusOf(node) == ReachabilityStatus.Unreachable)];

    internal ImmutableHashSet<UniqueAddress> AllUnreachableOrTerminated =>
        [.. Records.Where(record => record.Status != ReachabilityStatus.Reachable).Select(record => record.Subject)];

    /// <summary>
    /// Who calls somebody unreachable. Not who only has a record: the observation that a node is back stays in the row
    /// as long as another one there is unreachable, and is left over when that one is removed.
    /// </summary>
    internal ImmutableHashSet<UniqueAddress> ObserversOfSomeUnreachable =>
        [.. Records.Where(record => record.Status != ReachabilityStatus.Reachable).Select(record => record.Observer)];

    internal Reachability Unreachable(UniqueAddress observer, UniqueAddress subject) =>
        Change(observer, subject, ReachabilityStatus.Unreachable);

    internal Reachability Reachable(UniqueAddress observer, UniqueAddress subject) =>
        Change(observer, subject, ReachabilityStatus.Reachable);

    internal Reachability Terminated(UniqueAddress observer, UniqueAddress subject) =>
        Change(observer, subject, ReachabilityStatus.Terminated);

    /// <summary>The worst that anybody says of the node.</summary>
    internal ReachabilityStatus StatusOf(UniqueAddress subject)
    {
        var worst = ReachabilityStatus.Reachable;
        foreach (var record in Records)
        {
            if (record.Subject.Equals(subject) && record.Status > worst)
            {
                worst = record.Status;
            }
        }

        return worst;
    }

    internal ReachabilityStatus StatusOf(UniqueAddress observer, UniqueAddress subject) =>
        Find(observer, subject)?.Status ?? ReachabilityStatus.Reachable;

    internal bool IsReachable(UniqueAddress subject) => IsAllReachable || StatusOf(subject) == ReachabilityStatus.Reachable;

    internal bool IsReachable(UniqueAddress observer, UniqueAddress subject) =>
        StatusOf(observer, subject) == ReachabilityStatus.Reachable;

    internal ImmutableHashSet<UniqueAddress> AllUnreachableFrom(UniqueAddress observer) =>
        [.. Records.Where(r => r.Observer.Equals(observer) && r.Status == ReachabilityStatus.Unreachable).Select(r => r.Subject)];

    /// <summary>For each node that is not reachable, who says so.</summary>
    internal ImmutableDictionary<UniqueAddress, ImmutableHashSet<UniqueAddress>> ObserversOfUnreachable() =>
        Records.Where(record => record.Status != ReachabilityStatus.Reachable)
            .GroupBy(record => record.Subject)
            .ToImmutableDictionary(group => group.Key, group => group.Select(record => record.Observer).ToImmutableHashSet());

    /// <summary>Takes each observer's row from the side where it is newer; rows and subjects outside
    /// <paramref name="allowed"/> go.</summary>
    internal Reachability Merge(IReadOnlySet<UniqueAddress> allowed, Reachability other)
    {
        var records = ImmutableList.CreateBuilder<ReachabilityRecord>();
        var versions = ImmutableDictionary.CreateBuilder<UniqueAddress, long>();
        foreach (var observer in allowed)
        {
            var ours = Versions.GetValueOrDefault(observer);
            var theirs = other.Versions.GetValueOrDefault(observer);
            if (Math.Max(ours, theirs) == 0)
            {
                continue;
            }

            versions[observer] = Math.Max(ours, theirs);
            var newer = ours >= theirs ? Records : other.Records;
            records.AddRange(newer.Where(r => r.Observer.Equals(observer) && allowed.Contains(r.Subject)));
        }

        return new Reachability(records.ToImmutable(), versions.ToImmutable());
    }

    /// <summary>Forgets nodes, both what they say and what is said of them.</summary>
    internal Reachability Remove(IReadOnlySet<UniqueAddress> nodes) => new(
        Records.RemoveAll(record => nodes.Contains(record.Observer) || nodes.Contains(record.Subject)),
        Versions.RemoveRange(nodes));

    /// <summary>Leaves out what these observers say.</summary>
    internal Reachability RemoveObservers(IReadOnlySet<UniqueAddress> observers) => observers.Count == 0
        ? this
        : new(Records.RemoveAll(record => observers.Contains(record.Observer)), Versions.RemoveRange(observers));

    internal Reachability FilterRecords(Predicate<ReachabilityRecord> keep) =>
        new(Records.RemoveAll(record => !keep(record)), Versions);

    public override string ToString() => string.Join(
        ", ", Records.Select(r => $"{r.Observer.Address} -> {r.Subject.Address}: {r.Status} ({r.Version})"));

    private ReachabilityRecord Find(UniqueAddress observer, UniqueAddress subject) =>
        Records.Find(record => record.Observer.Equals(observer) && record.Subject.Equals(subject));

    private Reachability Change(UniqueAddress observer, UniqueAddress subject, ReachabilityStatus status)
    {
        var known = Find(observer, subject);
        // Terminated is final for an incarnation.
        if ((known?.Status ?? ReachabilityStatus.Reachable) == status || known?.Status == ReachabilityStatus.Terminated)
        {
            return this;
        }

        var version = Versions.GetValueOrDefault(observer) + 1;
        var others = known is null ? Records : Records.Remove(known);
        var row = others.Where(record => record.Observer.Equals(observer));
        if (status == ReachabilityStatus.Reachable && row.All(record => record.Status == ReachabilityStatus.Reachable))
        {
            return new Reachability(
                others.RemoveAll(record => record.Observer.Equals(observer)), Versions.SetItem(observer, version));
        }

        return new Reachability(
            others.Add(new ReachabilityRecord(observer, subject, status, version)), Versions.SetItem(observer, version));
    }
}
