namespace Colo.Vmm.Machine;

/// <summary>How a machine ended. <c>Code</c> is the exit code for the process.</summary>
public readonly record struct MachineExit(MachineExitReason Reason, int Code);
