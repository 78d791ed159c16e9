namespace Colo.Vmm.Devices.Plic;

/// <summary>Registers of the PLIC; bit sets have one bit a source, enables one set a context.</summary>
internal sealed record PlicState(
    uint[] Priorities, uint[] Levels, uint[] Pending, uint[] Claimed, uint[] Enables, uint[] Thresholds) : DeviceState;
