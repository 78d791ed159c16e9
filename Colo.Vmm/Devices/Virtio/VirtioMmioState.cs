namespace Colo.Vmm.Devices.Virtio;

/// <summary>Registers of a virtio-mmio slot, its queues, and the state of the function behind it.</summary>
internal sealed record VirtioMmioState(
    VirtioStatus Status, uint InterruptStatus, uint DeviceFeaturesSelect, uint DriverFeaturesSelect, uint QueueSelect,
    ulong DriverFeatures, VirtqueueState[] Queues, DeviceState? Function) : DeviceState;
