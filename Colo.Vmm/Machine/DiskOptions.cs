using Colo.Vmm.Block;

namespace Colo.Vmm.Machine;

/// <summary>A virtio disk. <c>Serial</c>: up to 20 ASCII characters, shown to the guest.</summary>
public sealed record DiskOptions(IBlockDevice Device, string Serial = "");
