using Colo.Vmm.Block;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>A block node by name: what it is, and the device behind it. <c>Owned</c>: blockdev-add made it.</summary>
internal sealed record BlockNode(string Name, string Driver, IBlockDevice Device, bool Owned, bool IsWritable);
