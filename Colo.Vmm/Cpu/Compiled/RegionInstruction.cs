using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>A decoded instruction with its place in the page. The immediate of jumps is relative to the
/// instruction.</summary>
internal readonly record struct RegionInstruction(int Offset, int Length, Op Op)
{
    public int Next => Offset + Length;

    public bool IsJump => Op.Code is >= OpCode.Jal and <= OpCode.Bgeu;

    public bool IsBranch => Op.Code is >= OpCode.Beq and <= OpCode.Bgeu;

    /// <summary>Target of a direct jump or branch as an offset from the page; may lie outside it.</summary>
    public int Target => Offset + Op.Imm;
}
