namespace Colo.Host.Node;

/// <summary>The answer of <c>/health</c>.</summary>
/// <param name="Status">The worst of its checks: ok, warning or failed.</param>
public sealed record HealthView(int Version, string Status, IReadOnlyList<HealthCheck> Checks);
