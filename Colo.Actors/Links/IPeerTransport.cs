using Colo.Actors.Protocol;

namespace Colo.Actors.Links;

/// <summary>
/// Carries peer messages between the same VM's cores on two hosts: in order for one pair of hosts, lost only together
/// with the link. In production a TLS data link of its own rather than actor messages, because the gating and buffering
/// that are right for actor traffic are seconds too slow for a failover; in the simulation a modelled link.
/// </summary>
public interface IPeerTransport
{
    /// <summary>Sends; without a link to that host the message is lost, which the cores expect.</summary>
    void Send(HostId to, VmId vm, PeerMessage message);
}
