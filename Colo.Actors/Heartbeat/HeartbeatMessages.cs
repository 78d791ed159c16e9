using Colo.Actors.Protocol;

namespace Colo.Actors.Heartbeat;

/// <summary>A heartbeat came over a link.</summary>
/// <param name="Link">Number of the configured link, from 0.</param>
/// <param name="Facts">Changes whenever what the heartbeat says about VMs changes; only compared for equality.</param>
public sealed record HeartbeatReceived(HostIdentity From, int Link, bool ReachesGateway, long Facts) : Message, IHeartbeatInput;

/// <summary>The connection of a link was reset, or closed without a farewell: that process may be gone.</summary>
public sealed record HeartbeatLinkReset(HostId Peer, int Link) : Message, IHeartbeatInput;

/// <summary>
/// Nobody listens at the host's address on this link: that process is gone, unless another link still speaks. A
/// firewall's reset or a second host with the address look the same.
/// </summary>
public sealed record HeartbeatConnectionRefused(HostId Peer, int Link) : Message, IHeartbeatInput;

public sealed record GatewayAnswered : Message, IHeartbeatInput;

/// <summary>The driver's timer, every <see cref="HeartbeatOptions.Interval"/>.</summary>
public sealed record HeartbeatTick : Message, IHeartbeatInput;

/// <summary>What the monitor has found, or wants done. A closed set; the driver passes losses and sightings to every VM
/// of the node.</summary>
public abstract record HeartbeatFinding
{
    private HeartbeatFinding()
    {
    }

    /// <summary>Send one heartbeat over every link to every peer, and ask the gateway.</summary>
    public sealed record SendHeartbeats : HeartbeatFinding;

    /// <summary>Becomes <c>PeerLost</c> for each VM; repeated while it lasts.</summary>
    public sealed record Lost(HostIdentity Peer, LossEvidence Evidence) : HeartbeatFinding;

    /// <summary>Becomes <c>PeerSeen</c> for each VM, with the facts of the newest heartbeat; repeated while it
    /// lasts.</summary>
    public sealed record Seen(HostIdentity Peer) : HeartbeatFinding;

    /// <summary>Becomes <c>GatewayChanged</c> for each VM.</summary>
    public sealed record Gateway(bool Reachable, bool PeerReaches) : HeartbeatFinding;

    public sealed record Link(HostId Peer, int Number, bool Up) : HeartbeatFinding;

    /// <summary>This process itself stood still.</summary>
    public sealed record Stalled(TimeSpan For) : HeartbeatFinding;
}
