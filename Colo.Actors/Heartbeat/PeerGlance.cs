using Colo.Actors.Protocol;

namespace Colo.Actors.Heartbeat;

/// <summary>What the heartbeats say about one peer at this moment.</summary>
/// <param name="Identity">Its present life; null when it was never heard.</param>
/// <param name="Age">Time since its last heartbeat on any network; null when it was never heard.</param>
/// <param name="Lost">By what evidence it is given up; null while it is not.</param>
/// <param name="LinksUp">For each network whether heartbeats come over it.</param>
public sealed record PeerGlance(
    HostId Host, HostIdentity? Identity, TimeSpan? Age, LossEvidence? Lost, IReadOnlyList<bool> LinksUp,
    bool ReachesGateway);
