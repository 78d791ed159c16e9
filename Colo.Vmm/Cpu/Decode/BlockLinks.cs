using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// Where a block's last record goes, once known; stored in the place of the record behind it. Only blocks of the same
/// page are linked, so they are dropped together and no translation can change in between.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct BlockLinks
{
    public CodeBlock* Taken;
    public CodeBlock* NotTaken;
}
