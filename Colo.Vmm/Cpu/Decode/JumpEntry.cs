using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// One entry of the jump cache: virtual address, mode and number (<see cref="HartContext.ModeKey"/>) in one key, the
/// block decoded there, and the compiled code that starts there. Compiled code that finds its target's key jumps to
/// <see cref="Code"/> at once; where nothing is compiled that is a method which only returns.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct JumpEntry
{
    /// <summary>The number of entries, a power of two. A request to a server in a guest comes by some thousand places;
    /// with four times as many entries few of them share one.</summary>
    public const int Count = 32768;

    public ulong Key;
    public CodeBlock* Block;

    /// <summary>Never null: a <c>delegate*&lt;HartContext*, int, void&gt;</c>.</summary>
    public nint Code;

    /// <summary>Second argument of <see cref="Code"/>.</summary>
    public long Entry;
}
