namespace Colo.Vmm.Devices.Virtio;

/// <summary>A piece of guest RAM that a descriptor names; checked to lie wholly in RAM and not to be empty.</summary>
internal readonly record struct BufferSegment(ulong Address, uint Length);
