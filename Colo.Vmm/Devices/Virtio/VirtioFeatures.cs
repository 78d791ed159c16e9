namespace Colo.Vmm.Devices.Virtio;

/// <summary>Feature bits of the transport and the rings (virtio 1.2, chapter 6).</summary>
internal static class VirtioFeatures
{
    public const ulong IndirectDescriptors = 1ul << 28;
    public const ulong EventIndex = 1ul << 29;
    public const ulong Version1 = 1ul << 32;
    public const ulong Transport = IndirectDescriptors | EventIndex | Version1;
}
