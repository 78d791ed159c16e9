using Colo.Vmm.Cpu;
using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>The architectural state of one hart.</summary>
internal sealed record HartSectionState(HartState State) : DeviceState;
