namespace Colo.Vmm.Cpu.Decode;

/// <summary>Decodes the OP-FP major opcode: F and D extensions (unprivileged specification, chapters 20 and
/// 21).</summary>
internal static class FloatDecoder
{
    public static OpCode Decode(uint raw, uint funct3)
    {
        uint rs2 = raw >> 20 & 31;
        uint funct7 = raw >> 25;
        return (funct7 & 3) switch
        {
            0 => Single(funct7 >> 2, rs2, funct3),
            1 => Double(funct7 >> 2, rs2, funct3),
            _ => OpCode.Illegal,
        };
    }

    private static OpCode Single(uint funct5, uint rs2, uint funct3) => funct5 switch
    {
        0x00 => OpCode.FaddS,
        0x01 => OpCode.FsubS,
        0x02 => OpCode.FmulS,
        0x03 => OpCode.FdivS,
        0x04 when funct3 <= 2 => OpCode.FsgnjS + (byte)funct3,
        0x05 when funct3 <= 1 => OpCode.FminS + (byte)funct3,
        0x08 when rs2 == 1 => OpCode.FcvtSD,
        0x0b when rs2 == 0 => OpCode.FsqrtS,
        0x14 when funct3 <= 2 => Compare(OpCode.FeqS, funct3),
        0x18 when rs2 <= 3 => OpCode.FcvtWS + (byte)rs2,
        0x1a when rs2 <= 3 => OpCode.FcvtSW + (byte)rs2,
        0x1c when rs2 == 0 && funct3 == 0 => OpCode.FmvXW,
        0x1c when rs2 == 0 && funct3 == 1 => OpCode.FclassS,
        0x1e when rs2 == 0 && funct3 == 0 => OpCode.FmvWX,
        _ => OpCode.Illegal,
    };

    private static OpCode Double(uint funct5, uint rs2, uint funct3) => funct5 switch
    {
        0x00 => OpCode.FaddD,
        0x01 => OpCode.FsubD,
        0x02 => OpCode.FmulD,
        0x03 => OpCode.FdivD,
        0x04 when funct3 <= 2 => OpCode.FsgnjD + (byte)funct3,
        0x05 when funct3 <= 1 => OpCode.FminD + (byte)funct3,
        0x08 when rs2 == 0 => OpCode.FcvtDS,
        0x0b when rs2 == 0 => OpCode.FsqrtD,
        0x14 when funct3 <= 2 => Compare(OpCode.FeqD, funct3),
        0x18 when rs2 <= 3 => OpCode.FcvtWD + (byte)rs2,
        0x1a when rs2 <= 3 => OpCode.FcvtDW + (byte)rs2,
        0x1c when rs2 == 0 && funct3 == 0 => OpCode.FmvXD,
        0x1c when rs2 == 0 && funct3 == 1 => OpCode.FclassD,
        0x1e when rs2 == 0 && funct3 == 0 => OpCode.FmvDX,
        _ => OpCode.Illegal,
    };

    /// <summary>funct3 counts fle, flt, feq; the enumeration goes the other way.</summary>
    private static OpCode Compare(OpCode equal, uint funct3) => equal + (byte)(2 - funct3);
}
