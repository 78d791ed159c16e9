namespace Colo.Vmm.Devices.Aclint;

/// <summary>Registers of the ACLINT, one entry a hart. <c>mtime</c> itself is the machine's clock and is saved
/// there.</summary>
internal sealed record AclintState(bool[] SoftwareInterrupts, ulong[] TimerCompares) : DeviceState;
