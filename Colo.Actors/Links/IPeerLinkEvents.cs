using Colo.Actors.Heartbeat;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;

namespace Colo.Actors.Links;

/// <summary>What comes in over the control links of a node. Called on link threads; must return at once.</summary>
public interface IPeerLinkEvents
{
    void HeartbeatReceived(HostIdentity from, int network, WireHeartbeat heartbeat);

    void MessageReceived(VmId vm, PeerMessage message);

    /// <summary>A question to this node as the witness; answered through <see cref="PeerLinks"/>.</summary>
    void ArbiterAsked(HostId from, WireArbiterRequest request);

    void ArbiterReplied(WireArbiterReply reply);

    /// <summary>What a peer says of itself, for operators.</summary>
    void ReportReceived(HostId from, WireNodeReport report);

    /// <summary>An order of a peer's management; answered through <see cref="PeerLinks"/>.</summary>
    void NodeAsked(HostId from, WireNodeRequest request);

    void NodeReplied(HostId from, WireNodeReply reply);

    /// <summary>This node's own link to a peer came up, or broke or was refused.</summary>
    void LinkChanged(HostId peer, int network, LinkCondition condition);

    /// <summary>Something arrived that makes no sense; the link it came on has been closed.</summary>
    void Refused(string sentence);
}
