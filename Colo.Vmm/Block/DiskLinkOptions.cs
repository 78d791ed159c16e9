namespace Colo.Vmm.Block;

/// <summary>How far a secondary may lag behind.</summary>
public sealed record DiskLinkOptions
{
    /// <summary>Least of <see cref="LagBytes"/>: some of the largest frames.</summary>
    public const int LagBytesMin = 4 << 20;

    /// <summary>Bytes sent or waiting that the secondary has not acknowledged; above it the guest's writes wait.
    /// Default 64 MiB, at least 4 MiB.</summary>
    public int LagBytes { get; init; } = 64 << 20;

    /// <summary>How long the guest's writes wait for room, with none of them getting any, before the secondary counts
    /// as lost. Default 2 s.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The clock of the time above.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
