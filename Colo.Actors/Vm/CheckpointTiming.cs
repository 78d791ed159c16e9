namespace Colo.Actors.Vm;

/// <summary>What one checkpoint cost on the primary, phase by phase.</summary>
/// <param name="Request">Until the secondary's guest stood.</param>
/// <param name="Capture">How long the primary's guest stood.</param>
/// <param name="Stream">From the capture to the last byte handed to the transport.</param>
/// <param name="Commit">From then until the secondary had everything, verified.</param>
/// <param name="Load">From then until the secondary ran from it.</param>
public sealed record CheckpointTiming(
    long Epoch, TimeSpan Request, TimeSpan Capture, TimeSpan Stream, TimeSpan Commit, TimeSpan Load, long Pages, long Bytes);
