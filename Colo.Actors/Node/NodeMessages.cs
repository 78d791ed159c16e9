using Colo.Actors.Heartbeat;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Actors.Vm;

namespace Colo.Actors.Node;

/// <summary>A heartbeat arrived over one network.</summary>
public sealed record BeatReceived(HostIdentity From, int Network, WireHeartbeat Beat);

/// <summary>This node's own link to a peer came up, or broke or was refused.</summary>
public sealed record PeerLinkChanged(HostId Peer, int Network, LinkCondition Condition);

/// <summary>A message for the cores of one VM.</summary>
public sealed record ForVm(VmId Vm, Message Message);

/// <summary>An operator's command for one VM; answered by <see cref="Effect.CompleteCommand"/>.</summary>
public sealed record CommandVm(VmId Vm, OperatorCommand Command);

/// <summary>Adds a VM to the running node.</summary>
public sealed record AddVm(VmRuntime Runtime);

/// <summary>Ends a VM's actors on this node; its guest here is gone with them.</summary>
public sealed record RemoveVm(VmId Vm);

/// <summary>What one VM's next heartbeats say.</summary>
public sealed record VmGlanced(VmId Vm, VmGlance Glance);

/// <summary>A VM is no more on this node: heartbeats do not speak of it any longer.</summary>
public sealed record VmGone(VmId Vm);

/// <summary>Hand every guest to its peer; answered by <see cref="Drained"/> when none is left or the time is
/// over.</summary>
public sealed record DrainNode(TimeSpan Limit);

/// <summary>The answer to <see cref="DrainNode"/>.</summary>
public sealed record Drained(bool All);
