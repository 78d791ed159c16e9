using Colo.Vmm.Net.Backends;

namespace Colo.Vmm.Qmp.Chardevs;

/// <summary>
/// A character device on a stream socket. <c>Reconnect</c>: how long a client waits between two attempts; null: it
/// connects once, at its creation. <c>WaitsForPeer</c>: a server whose machine does not start before somebody has
/// connected.
/// </summary>
internal sealed record SocketChardevOptions(string Id, StreamEndpoint Address, bool IsServer)
{
    public bool WaitsForPeer { get; init; }

    public TimeSpan? Reconnect { get; init; }
}
