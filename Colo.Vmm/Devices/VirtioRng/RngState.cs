namespace Colo.Vmm.Devices.VirtioRng;

/// <summary>Where a reproducible source stands; 0 for the host's.</summary>
internal sealed record RngState(ulong Position) : DeviceState;
