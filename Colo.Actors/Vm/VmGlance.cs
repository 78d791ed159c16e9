using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>What this host's heartbeats say about one VM.</summary>
/// <param name="Term">Term of the newest record that this host knows.</param>
/// <param name="HoldsGuest">False only when there is certainly no state of the guest's memory here.</param>
public readonly record struct VmGlance(Term Term, bool HoldsGuest);
