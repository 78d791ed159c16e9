namespace Colo.Vmm.Devices.Virtio;

/// <summary>One queue as the driver set it up, and how far the device has come with it.</summary>
internal sealed record VirtqueueState(
    ushort Size, bool Ready, ulong DescriptorTable, ulong AvailableRing, ulong UsedRing,
    ushort NextAvailable, ushort NextUsed, ushort SignalledUsed);
