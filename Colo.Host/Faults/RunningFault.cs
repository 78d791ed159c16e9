namespace Colo.Host.Faults;

/// <summary>An injection, under way or over.</summary>
/// <param name="Number">On this node, from 1, in this life of it.</param>
/// <param name="Ended">Null while it is under way.</param>
/// <param name="How">running, over (its time), cleared (by the operator) or done (it has no length).</param>
public sealed record RunningFault(
    long Number, string Fault, string Name, string Vm, string Peer, double Seconds, double LatencyMs,
    DateTimeOffset Began, DateTimeOffset? Ended, string How);

/// <summary>The faults of a node.</summary>
/// <param name="Allowed">Whether the node was started with <c>colo.drills.allowed</c>.</param>
/// <param name="Injections">Newest first.</param>
public sealed record FaultsView(
    int Version, string Host, bool Allowed, IReadOnlyList<FaultKind> Catalogue, IReadOnlyList<RunningFault> Injections);
