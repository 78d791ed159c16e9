namespace Colo.Vmm.Devices.VirtioBlock;

/// <summary>
/// Nothing but the capacity, to refuse a state that belongs to another disk: requests are drained before a save, and
/// the content of the disk travels by its own way.
/// </summary>
internal sealed record BlockState(ulong CapacitySectors) : DeviceState;
