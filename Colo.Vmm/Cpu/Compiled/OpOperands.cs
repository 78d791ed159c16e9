using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>Which registers an instruction reads and writes (-1 or the sink: none), as far as regions compile
/// it.</summary>
internal readonly record struct OpOperands(
    uint IntegerReads, int IntegerWrite, uint FloatReads, int FloatWrite, bool UsesFloat, bool Rounds)
{
    public static OpOperands Of(in Op op)
    {
        uint rs1 = 1u << op.Rs1;
        uint rs2 = 1u << op.Rs2;
        int rd = op.Rd;
        return op.Code switch
        {
            OpCode.System => new(CsrOpCompiler.ReadsRegister(op) ? rs1 : 0, rd, 0, -1, false, false),
            OpCode.Nop or OpCode.J or OpCode.Fence => new(0, -1, 0, -1, false, false),
            OpCode.Lui or OpCode.Auipc or OpCode.Jal => new(0, rd, 0, -1, false, false),
            OpCode.Mv or (>= OpCode.Addi and <= OpCode.Sraiw) or OpCode.Jalr => new(rs1, rd, 0, -1, false, false),
            >= OpCode.Add and <= OpCode.Remuw => new(rs1 | rs2, rd, 0, -1, false, false),
            >= OpCode.Beq and <= OpCode.Bgeu => new(rs1 | rs2, -1, 0, -1, false, false),
            >= OpCode.Lb and <= OpCode.Lwu => new(rs1, rd, 0, -1, false, false),
            >= OpCode.Sb and <= OpCode.Sd => new(rs1 | rs2, -1, 0, -1, false, false),
            OpCode.LrW or OpCode.LrD => new(rs1, rd, 0, -1, false, false),
            >= OpCode.ScW and <= OpCode.AmoMaxuD => new(rs1 | rs2, rd, 0, -1, false, false),
            OpCode.Fld or OpCode.Flw => new(rs1, -1, 0, rd, true, false),
            OpCode.Fsd or OpCode.Fsw => new(rs1, -1, rs2, -1, true, false),
            _ => OfFloat(op),
        };
    }

    private static OpOperands OfFloat(in Op op)
    {
        uint rs1 = 1u << op.Rs1;
        uint rs2 = 1u << op.Rs2;
        uint rs3 = 1u << (op.Imm >> 8 & 31);
        int rd = op.Rd;
        return op.Code switch
        {
            (>= OpCode.FmaddS and <= OpCode.FnmaddS) or (>= OpCode.FmaddD and <= OpCode.FnmaddD)
                => new(0, -1, rs1 | rs2 | rs3, rd, true, true),
            (>= OpCode.FaddS and <= OpCode.FdivS) or (>= OpCode.FaddD and <= OpCode.FdivD)
                => new(0, -1, rs1 | rs2, rd, true, true),
            OpCode.FsqrtS or OpCode.FsqrtD or OpCode.FcvtSD => new(0, -1, rs1, rd, true, true),
            OpCode.FcvtDS => new(0, -1, rs1, rd, true, false),
            (>= OpCode.FsgnjS and <= OpCode.FmaxS) or (>= OpCode.FsgnjD and <= OpCode.FmaxD)
                => new(0, -1, rs1 | rs2, rd, true, false),
            OpCode.FcvtWS or OpCode.FcvtLS or OpCode.FcvtWD or OpCode.FcvtLD => new(0, rd, rs1, -1, true, true),
            OpCode.FmvXW or OpCode.FmvXD => new(0, rd, rs1, -1, true, false),
            (>= OpCode.FeqS and <= OpCode.FleS) or (>= OpCode.FeqD and <= OpCode.FleD)
                => new(0, rd, rs1 | rs2, -1, true, false),
            OpCode.FcvtSW or OpCode.FcvtSWu or OpCode.FcvtDL => new(rs1, -1, 0, rd, true, true),
            OpCode.FcvtDW or OpCode.FcvtDWu or OpCode.FmvDX or OpCode.FmvWX => new(rs1, -1, 0, rd, true, false),
            _ => throw new ArgumentOutOfRangeException(nameof(op), op.Code, "operation that regions do not compile"),
        };
    }
}
