using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>Guest time in ticks of 100 ns, the last wall-clock reading, and the instructions into the current
/// tick.</summary>
internal sealed record MachineClockState(ulong Ticks, ulong WallNanoseconds, byte Fraction) : DeviceState;
