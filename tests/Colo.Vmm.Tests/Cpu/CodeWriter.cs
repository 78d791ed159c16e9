namespace Colo.Vmm.Tests.Cpu;

/// <summary>Emits RV64 machine code as bytes: the few instruction shapes that generated test programs need.</summary>
internal sealed class CodeWriter
{
    private readonly List<byte> _bytes = [];

    public int Position => _bytes.Count;

    public byte[] ToArray() => [.. _bytes];

    public void Half(uint c)
    {
        _bytes.Add((byte)c);
        _bytes.Add((byte)(c >> 8));
    }

    public void Word(uint w)
    {
        Half(w & 0xffff);
        Half(w >> 16);
    }

    public void Patch(int at, uint word)
    {
        for (int i = 0; i < 4; i++)
        {
            _bytes[at + i] = (byte)(word >> (8 * i));
        }
    }

    public void I(uint opcode, uint funct3, int rd, int rs1, int imm) =>
        Word((uint)imm << 20 | (uint)rs1 << 15 | funct3 << 12 | (uint)rd << 7 | opcode);

    public void R(uint opcode, uint funct3, uint funct7, int rd, int rs1, int rs2) =>
        Word(funct7 << 25 | (uint)rs2 << 20 | (uint)rs1 << 15 | funct3 << 12 | (uint)rd << 7 | opcode);

    public void S(uint opcode, uint funct3, int rs1, int rs2, int imm) =>
        Word((uint)(imm >> 5 & 127) << 25 | (uint)rs2 << 20 | (uint)rs1 << 15 | funct3 << 12
            | (uint)(imm & 31) << 7 | opcode);

    public static uint Branch(uint funct3, int rs1, int rs2, int offset)
    {
        uint u = (uint)offset;
        return (u >> 12 & 1) << 31 | (u >> 5 & 63) << 25 | (uint)rs2 << 20 | (uint)rs1 << 15 | funct3 << 12
            | (u >> 1 & 15) << 8 | (u >> 11 & 1) << 7 | 0x63;
    }

    public static uint Jal(int rd, int offset)
    {
        uint u = (uint)offset;
        return (u >> 20 & 1) << 31 | (u >> 1 & 0x3ff) << 21 | (u >> 11 & 1) << 20 | (u >> 12 & 0xff) << 12
            | (uint)rd << 7 | 0x6f;
    }

    public void Addi(int rd, int rs1, int imm) => I(0x13, 0, rd, rs1, imm);

    public void Ld(int rd, int rs1, int imm) => I(0x03, 3, rd, rs1, imm);

    public void Sd(int rs2, int rs1, int imm) => S(0x23, 3, rs1, rs2, imm);

    public void Fld(int rd, int rs1, int imm) => I(0x07, 3, rd, rs1, imm);

    public void Fsd(int rs2, int rs1, int imm) => S(0x27, 3, rs1, rs2, imm);

    public void Csrrw(int rd, int csr, int rs1) => I(0x73, 1, rd, rs1, csr);

    public void Ecall() => Word(0x73);

    /// <summary>Loads an address below 2 GiB.</summary>
    public void LoadAddress(int rd, uint address)
    {
        Word((address + 0x800 & 0xfffff000) | (uint)rd << 7 | 0x37);
        I(0x1b, 0, rd, rd, (int)(address << 20) >> 20);
    }
}
