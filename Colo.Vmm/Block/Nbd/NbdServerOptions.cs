using System.Net.Security;

namespace Colo.Vmm.Block.Nbd;

/// <summary>Bounds and security of a server.</summary>
public sealed record NbdServerOptions
{
    /// <summary>Connections at a time; more are closed at once. Default 100, as QEMU's.</summary>
    public int ConnectionsMax { get; init; } = 100;

    /// <summary>Time from the connection to the end of the negotiation. Default 10 s, as QEMU's.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Requests of one connection that a device works on at a time (devices that answer at once need one).
    /// Default 64.
    /// </summary>
    public int RequestsMax { get; init; } = 64;

    /// <summary>Payload bytes of one connection in memory at a time. Default 64 MiB; a single request may have 32
    /// MiB.</summary>
    public long PayloadBytesMax { get; init; } = 64L << 20;

    /// <summary>How to answer STARTTLS; null: refused.</summary>
    public SslServerAuthenticationOptions? Tls { get; init; }

    /// <summary>Nothing but STARTTLS is answered before the link is encrypted.</summary>
    public bool TlsRequired { get; init; }

    /// <summary>The clock of the handshake's limit.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
