namespace Colo.Vmm.Devices;

/// <summary>What of a device is saved and restored: plain data, already checked, without caches and without queues of
/// the host.</summary>
internal abstract record DeviceState;
