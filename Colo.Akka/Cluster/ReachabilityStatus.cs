namespace Akka.Cluster;

/// <summary>What one node says of another; the numbers are those of the wire.</summary>
internal enum ReachabilityStatus
{
    Reachable = 0,
    Unreachable = 1,
    Terminated = 2,
}

/// <summary>One observation. A higher version of the same observer is newer.</summary>
internal sealed record ReachabilityRecord(
    UniqueAddress Observer, UniqueAddress Subject, ReachabilityStatus Status, long Version);
