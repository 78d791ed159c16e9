using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>Whose turn it is, what is left of its slice, and for each hart its SBI status, whether it waits, and its
/// timer.</summary>
internal sealed record LoopState(int CurrentHart, long SliceRemaining, LoopHartState[] Harts) : DeviceState;
