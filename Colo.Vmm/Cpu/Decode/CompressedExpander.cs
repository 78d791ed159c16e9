namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// Turns a 16-bit instruction of the C extension into the 32-bit instruction that it stands for (unprivileged
/// specification, chapter "C" Extension, RV64 column). Reserved encodings give 0, which is an illegal instruction;
/// hints give an instruction without effect.
/// </summary>
internal static class CompressedExpander
{
    public static uint Expand(uint c) => ((c & 3) << 3 | c >> 13 & 7) switch
    {
        0x00 => Addi4Spn(c),
        0x01 => Load(0x07, 3, DoubleOffset(c), c),
        0x02 => Load(0x03, 2, WordOffset(c), c),
        0x03 => Load(0x03, 3, DoubleOffset(c), c),
        0x05 => Store(0x27, 3, DoubleOffset(c), c),
        0x06 => Store(0x23, 2, WordOffset(c), c),
        0x07 => Store(0x23, 3, DoubleOffset(c), c),
        0x08 => Immediate(0x13, 0, Rd(c), Rd(c), Imm6(c)),
        0x09 => Rd(c) == 0 ? 0 : Immediate(0x1b, 0, Rd(c), Rd(c), Imm6(c)),
        0x0a => Immediate(0x13, 0, Rd(c), 0, Imm6(c)),
        0x0b => LuiOrAddi16Sp(c),
        0x0c => Arithmetic(c),
        0x0d => Jump(c),
        0x0e => Branch(0, c),
        0x0f => Branch(1, c),
        0x10 => Immediate(0x13, 1, Rd(c), Rd(c), Imm6(c) & 63),
        0x11 => Immediate(0x07, 3, Rd(c), 2, (int)DoubleSpOffset(c)),
        0x12 => Rd(c) == 0 ? 0 : Immediate(0x03, 2, Rd(c), 2, (int)WordSpOffset(c)),
        0x13 => Rd(c) == 0 ? 0 : Immediate(0x03, 3, Rd(c), 2, (int)DoubleSpOffset(c)),
        0x14 => JumpRegisterOrMove(c),
        0x15 => StoreTo(0x27, 3, 2, Rs2(c), DoubleSpStoreOffset(c)),
        0x16 => StoreTo(0x23, 2, 2, Rs2(c), WordSpStoreOffset(c)),
        0x17 => StoreTo(0x23, 3, 2, Rs2(c), DoubleSpStoreOffset(c)),
        _ => 0,
    };

    private static uint Addi4Spn(uint c)
    {
        uint imm = (c >> 7 & 0x30) | (c >> 1 & 0x3c0) | (c >> 4 & 4) | (c >> 2 & 8);
        return imm == 0 ? 0 : Immediate(0x13, 0, RdShort(c), 2, (int)imm);
    }

    private static uint LuiOrAddi16Sp(uint c)
    {
        if (Rd(c) == 2)
        {
            int imm = (int)((c >> 2 & 0x10) | (c << 3 & 0x20) | (c << 1 & 0x40) | (c << 4 & 0x180));
            imm |= (c & 0x1000) != 0 ? -512 : 0;
            return imm == 0 ? 0 : Immediate(0x13, 0, 2, 2, imm);
        }

        int upper = Imm6(c);
        return upper == 0 ? 0 : (uint)(upper << 12) | Rd(c) << 7 | 0x37;
    }

    private static uint Arithmetic(uint c)
    {
        uint rd = Rs1Short(c);
        switch (c >> 10 & 3)
        {
            case 0: return Immediate(0x13, 5, rd, rd, Imm6(c) & 63);
            case 1: return Immediate(0x13, 5, rd, rd, Imm6(c) & 63) | 0x40000000;
            case 2: return Immediate(0x13, 7, rd, rd, Imm6(c));
            default: break;
        }

        uint rs2 = RdShort(c);
        return (c >> 10 & 4 | c >> 5 & 3) switch
        {
            0 => Register(0x33, 0, rd, rd, rs2) | 0x40000000,
            1 => Register(0x33, 4, rd, rd, rs2),
            2 => Register(0x33, 6, rd, rd, rs2),
            3 => Register(0x33, 7, rd, rd, rs2),
            4 => Register(0x3b, 0, rd, rd, rs2) | 0x40000000,
            5 => Register(0x3b, 0, rd, rd, rs2),
            _ => 0,
        };
    }

    private static uint JumpRegisterOrMove(uint c)
    {
        uint rs1 = Rd(c);
        uint rs2 = Rs2(c);
        bool link = (c & 0x1000) != 0;
        if (rs2 != 0)
        {
            return Register(0x33, 0, rs1, link ? rs1 : 0, rs2);
        }

        if (rs1 == 0)
        {
            return link ? 0x00100073u : 0;
        }

        return Immediate(0x67, 0, link ? 1u : 0, rs1, 0);
    }

    private static uint Jump(uint c)
    {
        int imm = (int)((c >> 2 & 0xe) | (c >> 7 & 0x10) | (c << 3 & 0x20) | (c >> 1 & 0x40) | (c << 1 & 0x80)
            | (c >> 1 & 0x300) | (c << 2 & 0x400));
        uint u = (uint)(imm | ((c & 0x1000) != 0 ? -2048 : 0));
        return (u & 0x100000) << 11 | (u & 0x7fe) << 20 | (u & 0x800) << 9 | u & 0xff000 | 0x6f;
    }

    private static uint Branch(uint funct3, uint c)
    {
        int imm = (int)((c >> 2 & 6) | (c >> 7 & 0x18) | (c << 3 & 0x20) | (c << 1 & 0xc0));
        uint u = (uint)(imm | ((c & 0x1000) != 0 ? -256 : 0));
        return (u & 0x1000) << 19 | (u & 0x7e0) << 20 | (u & 0x1e) << 7 | (u & 0x800) >> 4
            | Rs1Short(c) << 15 | funct3 << 12 | 0x63;
    }

    private static uint Load(uint opcode, uint funct3, uint offset, uint c) =>
        Immediate(opcode, funct3, RdShort(c), Rs1Short(c), (int)offset);

    private static uint Store(uint opcode, uint funct3, uint offset, uint c) =>
        StoreTo(opcode, funct3, Rs1Short(c), RdShort(c), offset);

    private static uint StoreTo(uint opcode, uint funct3, uint rs1, uint rs2, uint offset) =>
        offset >> 5 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (offset & 31) << 7 | opcode;

    private static uint Immediate(uint opcode, uint funct3, uint rd, uint rs1, int imm) =>
        (uint)imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;

    private static uint Register(uint opcode, uint funct3, uint rd, uint rs1, uint rs2) =>
        rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;

    private static uint Rd(uint c) => c >> 7 & 31;

    private static uint Rs2(uint c) => c >> 2 & 31;

    private static uint RdShort(uint c) => (c >> 2 & 7) + 8;

    private static uint Rs1Short(uint c) => (c >> 7 & 7) + 8;

    private static int Imm6(uint c) => (int)(c >> 2 & 31) | ((c & 0x1000) != 0 ? -32 : 0);

    private static uint WordOffset(uint c) => (c >> 7 & 0x38) | (c >> 4 & 4) | (c << 1 & 0x40);

    private static uint DoubleOffset(uint c) => (c >> 7 & 0x38) | (c << 1 & 0xc0);

    private static uint WordSpOffset(uint c) => (c >> 7 & 0x20) | (c >> 2 & 0x1c) | (c << 4 & 0xc0);

    private static uint DoubleSpOffset(uint c) => (c >> 7 & 0x20) | (c >> 2 & 0x18) | (c << 4 & 0x1c0);

    private static uint WordSpStoreOffset(uint c) => (c >> 7 & 0x3c) | (c >> 1 & 0xc0);

    private static uint DoubleSpStoreOffset(uint c) => (c >> 7 & 0x38) | (c >> 1 & 0x1c0);
}
