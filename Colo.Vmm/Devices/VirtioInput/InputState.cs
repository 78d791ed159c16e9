namespace Colo.Vmm.Devices.VirtioInput;

/// <summary>What the driver has selected in the configuration space, and events that wait for a buffer.</summary>
internal sealed record InputState(byte Select, byte Subselect, int EventsWaiting) : DeviceState;
