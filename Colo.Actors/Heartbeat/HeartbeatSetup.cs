using Colo.Actors.Links;
using Colo.Actors.Protocol;

namespace Colo.Actors.Heartbeat;

/// <summary>What a <see cref="HeartbeatLoop"/> is made of.</summary>
/// <param name="Peers">Every other node, with the number of networks that lead to it.</param>
/// <param name="Happened">Takes the events of the node as a whole: hosts heard and lost, links, its own stalls.</param>
public sealed record HeartbeatSetup(
    HostIdentity Self, IReadOnlyList<(HostId Host, int Networks)> Peers, HeartbeatOptions Options,
    Func<PeerLinks> Links, TimeProvider Time,
    Action<HostEvent> Happened);
