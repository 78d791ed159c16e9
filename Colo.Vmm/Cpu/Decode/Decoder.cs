namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// Decodes 32-bit instructions of RV64IMAFD + Zicsr + Zifencei into records (unprivileged specification, chapter
/// "RV32/64G Instruction Set Listings"). Everything that is not listed there decodes to <see cref="OpCode.Illegal"/>.
/// </summary>
internal static class Decoder
{
    /// <summary>Fills operation, registers and immediate. Immediates of jumps are relative to the
    /// instruction.</summary>
    public static Op Decode(uint raw)
    {
        Op op = default;
        op.Rd = (byte)(raw >> 7 & 31);
        op.Rs1 = (byte)(raw >> 15 & 31);
        op.Rs2 = (byte)(raw >> 20 & 31);
        op.Imm = (int)raw >> 20;
        DecodeMajor(raw, ref op);
        if (op.Code is OpCode.Illegal or OpCode.System)
        {
            op.Imm = (int)raw;
        }

        FinishDestination(ref op);
        return op;
    }

    private static void DecodeMajor(uint raw, ref Op op)
    {
        uint funct3 = raw >> 12 & 7;
        switch (raw & 0x7f)
        {
            case 0x03: op.Code = Load(funct3); break;
            case 0x07: op.Code = funct3 switch { 2 => OpCode.Flw, 3 => OpCode.Fld, _ => OpCode.Illegal }; break;
            case 0x0f: op.Code = funct3 switch { 0 => OpCode.Fence, 1 => OpCode.System, _ => OpCode.Illegal }; break;
            case 0x13: ImmediateOp(raw, funct3, ref op); break;
            case 0x17: op.Code = OpCode.Auipc; op.Imm = (int)(raw & 0xfffff000); op.Rs1 = 0; break;
            case 0x1b: ImmediateWordOp(raw, funct3, ref op); break;
            case 0x23: op.Code = Store(funct3); op.Imm = StoreImmediate(raw); break;
            case 0x27:
                op.Code = funct3 switch { 2 => OpCode.Fsw, 3 => OpCode.Fsd, _ => OpCode.Illegal };
                op.Imm = StoreImmediate(raw);
                break;
            case 0x2f: op.Code = Atomic(raw, funct3); op.Imm = 0; break;
            case 0x33: op.Code = RegisterOp(raw >> 25, funct3); break;
            case 0x37: op.Code = OpCode.Lui; op.Imm = (int)(raw & 0xfffff000); break;
            case 0x3b: op.Code = RegisterWordOp(raw >> 25, funct3); break;
            case 0x43 or 0x47 or 0x4b or 0x4f: FusedOp(raw, ref op); break;
            case 0x53: op.Code = FloatDecoder.Decode(raw, funct3); op.Imm = (int)funct3; break;
            case 0x63: op.Code = Branch(funct3); op.Imm = BranchImmediate(raw); break;
            case 0x67: op.Code = funct3 == 0 ? OpCode.Jalr : OpCode.Illegal; break;
            case 0x6f: op.Code = OpCode.Jal; op.Imm = JumpImmediate(raw); break;
            case 0x73: op.Code = funct3 == 4 ? OpCode.Illegal : OpCode.System; break;
            default: op.Code = OpCode.Illegal; break;
        }
    }

    /// <summary>Instructions whose only effect would be a write to x0 become nothing; others write the sink.</summary>
    private static void FinishDestination(ref Op op)
    {
        if (op.Code is >= OpCode.Lui and <= OpCode.Remuw)
        {
            if (op.Rd == 0)
            {
                op.Code = OpCode.Nop;
            }
            else if (op.Code == OpCode.Addi && op.Imm == 0 && op.Rs1 != 0)
            {
                op.Code = OpCode.Mv;
            }
            else if (op.Code == OpCode.Addi && op.Rs1 == 0)
            {
                op.Code = OpCode.Lui;
            }
            else if (op.Code == OpCode.Add && op.Rs1 == 0)
            {
                op.Code = OpCode.Mv;
                op.Rs1 = op.Rs2;
            }
        }
        else if (op.Code == OpCode.Jal && op.Rd == 0)
        {
            op.Code = OpCode.J;
        }

        if (op.Rd == 0 && WritesInteger(op.Code))
        {
            op.Rd = HartContext.SinkRegister;
        }
    }

    private static bool WritesInteger(OpCode code) => code switch
    {
        OpCode.Jalr => true,
        >= OpCode.Lb and <= OpCode.Lwu => true,
        >= OpCode.LrW and <= OpCode.AmoMaxuD => true,
        >= OpCode.FcvtWS and <= OpCode.FcvtLuS => true,
        >= OpCode.FmvXW and <= OpCode.FclassS => true,
        >= OpCode.FcvtWD and <= OpCode.FcvtLuD => true,
        >= OpCode.FmvXD and <= OpCode.FclassD => true,
        _ => false,
    };

    private static OpCode Load(uint funct3) => funct3 switch
    {
        0 => OpCode.Lb,
        1 => OpCode.Lh,
        2 => OpCode.Lw,
        3 => OpCode.Ld,
        4 => OpCode.Lbu,
        5 => OpCode.Lhu,
        6 => OpCode.Lwu,
        _ => OpCode.Illegal,
    };

    private static OpCode Store(uint funct3) => funct3 switch
    {
        0 => OpCode.Sb,
        1 => OpCode.Sh,
        2 => OpCode.Sw,
        3 => OpCode.Sd,
        _ => OpCode.Illegal,
    };

    private static OpCode Branch(uint funct3) => funct3 switch
    {
        0 => OpCode.Beq,
        1 => OpCode.Bne,
        4 => OpCode.Blt,
        5 => OpCode.Bge,
        6 => OpCode.Bltu,
        7 => OpCode.Bgeu,
        _ => OpCode.Illegal,
    };

    private static void ImmediateOp(uint raw, uint funct3, ref Op op)
    {
        uint funct6 = raw >> 26;
        op.Code = funct3 switch
        {
            0 => OpCode.Addi,
            1 when funct6 == 0 => OpCode.Slli,
            2 => OpCode.Slti,
            3 => OpCode.Sltiu,
            4 => OpCode.Xori,
            5 when funct6 == 0 => OpCode.Srli,
            5 when funct6 == 0x10 => OpCode.Srai,
            6 => OpCode.Ori,
            7 => OpCode.Andi,
            _ => OpCode.Illegal,
        };
        if (funct3 is 1 or 5)
        {
            op.Imm &= 63;
        }
    }

    private static void ImmediateWordOp(uint raw, uint funct3, ref Op op)
    {
        uint funct7 = raw >> 25;
        op.Code = funct3 switch
        {
            0 => OpCode.Addiw,
            1 when funct7 == 0 => OpCode.Slliw,
            5 when funct7 == 0 => OpCode.Srliw,
            5 when funct7 == 0x20 => OpCode.Sraiw,
            _ => OpCode.Illegal,
        };
        if (funct3 is 1 or 5)
        {
            op.Imm &= 31;
        }
    }

    private static OpCode RegisterOp(uint funct7, uint funct3) => (funct7 << 3 | funct3) switch
    {
        0x00 => OpCode.Add,
        0x01 => OpCode.Sll,
        0x02 => OpCode.Slt,
        0x03 => OpCode.Sltu,
        0x04 => OpCode.Xor,
        0x05 => OpCode.Srl,
        0x06 => OpCode.Or,
        0x07 => OpCode.And,
        0x08 => OpCode.Mul,
        0x09 => OpCode.Mulh,
        0x0a => OpCode.Mulhsu,
        0x0b => OpCode.Mulhu,
        0x0c => OpCode.Div,
        0x0d => OpCode.Divu,
        0x0e => OpCode.Rem,
        0x0f => OpCode.Remu,
        0x100 => OpCode.Sub,
        0x105 => OpCode.Sra,
        _ => OpCode.Illegal,
    };

    private static OpCode RegisterWordOp(uint funct7, uint funct3) => (funct7 << 3 | funct3) switch
    {
        0x00 => OpCode.Addw,
        0x01 => OpCode.Sllw,
        0x05 => OpCode.Srlw,
        0x08 => OpCode.Mulw,
        0x0c => OpCode.Divw,
        0x0d => OpCode.Divuw,
        0x0e => OpCode.Remw,
        0x0f => OpCode.Remuw,
        0x100 => OpCode.Subw,
        0x105 => OpCode.Sraw,
        _ => OpCode.Illegal,
    };

    private static OpCode Atomic(uint raw, uint funct3)
    {
        if (funct3 is not (2 or 3))
        {
            return OpCode.Illegal;
        }

        bool wide = funct3 == 3;
        OpCode word = (raw >> 27) switch
        {
            0x00 => OpCode.AmoAddW,
            0x01 => OpCode.AmoSwapW,
            0x02 when (raw >> 20 & 31) == 0 => OpCode.LrW,
            0x03 => OpCode.ScW,
            0x04 => OpCode.AmoXorW,
            0x08 => OpCode.AmoOrW,
            0x0c => OpCode.AmoAndW,
            0x10 => OpCode.AmoMinW,
            0x14 => OpCode.AmoMaxW,
            0x18 => OpCode.AmoMinuW,
            0x1c => OpCode.AmoMaxuW,
            _ => OpCode.Illegal,
        };
        return word switch
        {
            OpCode.Illegal => OpCode.Illegal,
            OpCode.LrW => wide ? OpCode.LrD : OpCode.LrW,
            OpCode.ScW => wide ? OpCode.ScD : OpCode.ScW,
            _ => wide ? word + (byte)(OpCode.AmoSwapD - OpCode.AmoSwapW) : word,
        };
    }

    private static void FusedOp(uint raw, ref Op op)
    {
        int kind = (int)(raw >> 2 & 3);
        op.Code = (raw >> 25 & 3) switch
        {
            0 => OpCode.FmaddS + (byte)kind,
            1 => OpCode.FmaddD + (byte)kind,
            _ => OpCode.Illegal,
        };
        op.Imm = (int)(raw >> 12 & 7 | raw >> 27 << 8);
        // 0x4b is fnmsub and 0x4f fnmadd, in the order of the enumeration.
    }

    private static int StoreImmediate(uint raw) => (int)(raw & 0xfe000000) >> 20 | (int)(raw >> 7 & 31);

    private static int BranchImmediate(uint raw) =>
        (int)(raw & 0x80000000) >> 19 | (int)(raw << 4 & 0x800) | (int)(raw >> 20 & 0x7e0) | (int)(raw >> 7 & 0x1e);

    private static int JumpImmediate(uint raw) =>
        (int)(raw & 0x80000000) >> 11 | (int)(raw & 0xff000) | (int)(raw >> 9 & 0x800) | (int)(raw >> 20 & 0x7fe);
}
