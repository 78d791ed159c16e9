namespace Colo.Vmm.Block;

/// <summary>Pace and reports of a resync.</summary>
public sealed record DiskResyncOptions
{
    /// <summary>Bytes of disk compared a second; 0: as fast as it goes. Default 0.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>After so many bytes the peer flushes and the bitmap forgets them: what a broken link costs at most.
    /// Default 16 MiB.</summary>
    public long FlushEveryBytes { get; init; } = 16 << 20;

    /// <summary>Called after each batch.</summary>
    public Action<DiskResyncProgress>? Progress { get; init; }

    /// <summary>The clock of the pace.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
