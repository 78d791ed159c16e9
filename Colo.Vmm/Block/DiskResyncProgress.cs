namespace Colo.Vmm.Block;

/// <summary>How far a resync is.</summary>
/// <param name="ComparedBytes">Compared by hash so far.</param>
/// <param name="SentBytes">Sent because they differed.</param>
/// <param name="LeftBytes">Still dirty.</param>
public readonly record struct DiskResyncProgress(long ComparedBytes, long SentBytes, long LeftBytes);
