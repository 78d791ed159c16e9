using System.Net.Security;

namespace Colo.Vmm.Block.Nbd;

/// <summary>How a client connects, and what it does when the link breaks.</summary>
public sealed record NbdClientOptions
{
    /// <summary>Name of the export; empty is the default one.</summary>
    public string Export { get; init; } = "";

    /// <summary>Not null: STARTTLS is asked for, and the session is given up without it.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }

    /// <summary>How long requests wait for a broken link to come back. Default zero: they fail with PeerLost at
    /// once.</summary>
    public TimeSpan ReconnectDelay { get; init; } = TimeSpan.Zero;

    /// <summary>Time between two attempts to reconnect. Default 1 s.</summary>
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the first connection is tried. Default zero: one attempt.</summary>
    public TimeSpan OpenTimeout { get; init; } = TimeSpan.Zero;

    /// <summary>Time for the negotiation of one connection. Default 10 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Requests sent and not answered at a time; others wait. Default 64, limit 4096.</summary>
    public int RequestsMax { get; init; } = 64;

    /// <summary>The clock of every time above.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
