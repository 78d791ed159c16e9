namespace Colo.Host.Cluster;

/// <summary>A node of the cluster as this node knows it.</summary>
/// <param name="Status">Up (heard), Unreachable (given up by the heartbeats), or Joining (never heard in this life of
/// this node).</param>
/// <param name="Roles">host or witness; empty while nothing was heard.</param>
/// <param name="Incarnation">Number of its present life.</param>
/// <param name="HeardMs">Age of its last heartbeat; null when it was never heard. 0 for this node itself.</param>
/// <param name="LinkMs">Round trip of the last report over the first network that is up.</param>
/// <param name="LinksUp">For each configured network whether heartbeats come over it.</param>
/// <param name="Lost">By what evidence it is given up.</param>
/// <param name="FactsAgeMs">Age of <paramref name="Facts"/>.</param>
public sealed record MemberView(
    string Node, string Status, IReadOnlyList<string> Roles, long? Incarnation, double? HeardMs, double? LinkMs,
    IReadOnlyList<bool> LinksUp,
    string? Lost, NodeFacts? Facts, double? FactsAgeMs)
{
    /// <summary>Heard, and lately enough to be believed: three heartbeats and the pause that is accepted.</summary>
    public bool IsFresh { get; init; } = true;
}
