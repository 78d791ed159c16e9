namespace Colo.Actors.Vm.Embedded;

/// <summary>Gives a standing machine a state; returns null, or what is wrong with it.</summary>
internal delegate string? MachineLoad(ReadOnlySpan<byte> state);
