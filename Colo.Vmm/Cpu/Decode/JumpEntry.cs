using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>One entry of the jump cache: virtual address, mode and number (<see cref="HartContext.ModeKey"/>) in one
/// key, and the block decoded there.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct JumpEntry
{
    public ulong Key;
    public CodeBlock* Block;
}
