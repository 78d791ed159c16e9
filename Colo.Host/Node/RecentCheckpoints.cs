namespace Colo.Host.Node;

/// <summary>The checkpoints of the last minute in figures.</summary>
/// <param name="Seconds">Length of the time that was looked at.</param>
/// <param name="ByReason">How many for each reason.</param>
/// <param name="PauseP50Ms">Median of the guest's pause; null without checkpoints.</param>
/// <param name="Bytes">Bytes sent.</param>
public sealed record RecentCheckpoints(
    int Seconds, int Count, IReadOnlyDictionary<string, int> ByReason, double? PauseP50Ms, double? PauseP99Ms,
    long Bytes);
