using Colo.Actors.Protocol;

namespace Colo.Host.Faults;

/// <summary>A message that no core knows: the actor that gets it throws (F30), as by a mistake in the
/// program.</summary>
internal sealed record FaultMessage : Message;
