using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>A core's decision on its way to what carries it out.</summary>
/// <param name="By">The core that decided.</param>
/// <param name="State">Its state afterwards, for traces.</param>
internal sealed record Decided(CoreName By, string State, Effect Effect);
