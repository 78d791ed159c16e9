using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// A decoded instruction, 16 bytes. The handler executes it and goes on with the next record by a jump, so a block
/// runs as threaded code. Register number 32 stands for a written x0: a place whose value nobody reads.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct Op
{
    public delegate*<Op*, HartContext*, CodeBlock*> Handler;

    /// <summary>
    /// The immediate. Jumps and branches: the target relative to the block's first instruction. Floating point:
    /// rounding mode in bits 0 to 2, rs3 in bits 8 to 12. <see cref="OpCode.System"/>: the instruction itself.
    /// </summary>
    public int Imm;

    /// <summary>Destination register. Branches: length of the block in halfwords.</summary>
    public byte Rd;

    public byte Rs1;
    public byte Rs2;
    public OpCode Code;
}
