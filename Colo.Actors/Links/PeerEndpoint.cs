using System.Net;
using Colo.Actors.Protocol;

namespace Colo.Actors.Links;

/// <summary>Where a peer listens for data links, on each network that both share; the first is the one for bulk
/// data.</summary>
public sealed record PeerEndpoint(HostId Host, IReadOnlyList<IPEndPoint> Networks);
