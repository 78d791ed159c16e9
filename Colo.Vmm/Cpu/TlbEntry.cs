using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu;

/// <summary>
/// One translation: the virtual page address, and what to add to a virtual address to get the host address. A tag with
/// low bits set matches nothing.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal struct TlbEntry
{
    public const ulong InvalidTag = 1;

    public ulong Tag;
    public ulong Addend;
}
