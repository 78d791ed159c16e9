using Colo.Vmm.Cpu;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>
/// Every computing F and D instruction on all pairs of edge values, in every rounding mode, with flags cleared before:
/// result and flags are those of qemu-riscv64.
/// </summary>
public sealed class FloatTableTests
{
    private const int TableRegister = 5;
    private const int OutputRegister = 6;
    private const int CountRegister = 28;

    private static readonly ulong[] DoubleEdges =
    [
        0, 1, 0x000f_ffff_ffff_ffff, 0x0010_0000_0000_0000, 0x0010_0000_0000_0001, 0x3fe0_0000_0000_0000,
        0x3ff0_0000_0000_0000, 0x3ff0_0000_0000_0001, 0x3ff8_0000_0000_0000, 0x41df_ffff_ffc0_0000, 0x43e0_0000_0000_0000,
        0x4340_0000_0000_0001, 0x7fef_ffff_ffff_ffff, 0x7ff0_0000_0000_0000, 0x7ff0_0000_0000_0001, 0x7ff8_0000_0000_0000,
        0x3690_0000_0000_0000, 0x47ef_ffff_f000_0000, 0x380f_ffff_e000_0001,
    ];

    private static readonly uint[] SingleEdges =
    [
        0, 1, 0x007f_ffff, 0x0080_0000, 0x0080_0001, 0x3f00_0000, 0x3f80_0000, 0x3f80_0001, 0x3fc0_0000, 0x4eff_ffff,
        0x4f00_0000, 0x5f00_0000, 0x7f7f_ffff, 0x7f80_0000, 0x7f80_0001, 0x7fc0_0000,
    ];

    /// <summary>funct7 without the format bit, the fixed rs2 or -1, and the fixed funct3 or -1 for all rounding
    /// modes.</summary>
    private static readonly (uint Funct5, int Rs2, int Funct3, bool ToInteger)[] Operations =
    [
        (0, -1, -1, false), (1, -1, -1, false), (2, -1, -1, false), (3, -1, -1, false), (0x0b, 0, -1, false),
        (5, -1, 0, false), (5, -1, 1, false), (0x14, -1, 0, true), (0x14, -1, 1, true), (0x14, -1, 2, true),
        (0x18, 0, -1, true), (0x18, 1, -1, true), (0x18, 2, -1, true), (0x18, 3, -1, true), (0x1c, 0, 1, true),
    ];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Edge_values_in_every_rounding_mode_give_the_bits_and_flags_of_qemu(bool isDouble)
    {
        UserProgram program = Build(isDouble);
        byte[] expected = program.RunInQemu();
        byte[] actual = program.RunOnHart(HartOptions.Default with { Tier = CodeTierMode.Interpreter });
        Assert.Equal(expected.Length, actual.Length);
        int at = expected.AsSpan().CommonPrefixLength(actual) / 16;
        string text = at * 16 == expected.Length
            ? ""
            : $"result {at} is {BitConverter.ToUInt64(actual, at * 16):x} flags {actual[at * 16 + 8]:x}, expected "
                + $"{BitConverter.ToUInt64(expected, at * 16):x} flags {expected[at * 16 + 8]:x}";
        Assert.Equal("", text);
    }

    private static UserProgram Build(bool isDouble)
    {
        List<ulong> edges = isDouble
            ? [.. DoubleEdges, .. DoubleEdges.Select(e => e | 1UL << 63)]
            : [.. SingleEdges.Concat(SingleEdges.Select(e => e | 0x8000_0000)).Select(e => 0xffff_ffff_0000_0000 | e)];
        List<ulong> triples = [];
        foreach (ulong a in edges)
        {
            foreach (ulong b in edges)
            {
                triples.AddRange([a, b, edges[(triples.Count * 7 + 3) % edges.Count]]);
            }
        }

        uint format = isDouble ? 1u : 0;
        List<uint> instructions = [];
        foreach ((uint funct5, int rs2, int funct3, bool toInteger) in Operations)
        {
            for (int rm = Math.Max(funct3, 0); rm <= (funct3 < 0 ? 4 : funct3); rm++)
            {
                uint rd = toInteger ? 7u : 4;
                instructions.Add((funct5 << 2 | format) << 25 | (uint)(rs2 < 0 ? 2 : rs2) << 20 | 1u << 15 | (uint)rm << 12
                    | rd << 7 | 0x53);
            }
        }

        for (uint kind = 0; kind < 4; kind++)
        {
            for (uint rm = 0; rm < 5; rm++)
            {
                instructions.Add(3u << 27 | format << 25 | 2u << 20 | 1u << 15 | rm << 12 | 4u << 7 | 0x43 | kind << 2);
            }
        }

        return Assemble(instructions, triples);
    }

    private static UserProgram Assemble(List<uint> instructions, List<ulong> triples)
    {
        int count = triples.Count / 3;
        uint table = UserProgram.ImageBase + 0x8000;
        uint output = (uint)(table + triples.Count * 8 + 15 & ~15);
        CodeWriter code = new();
        foreach (uint instruction in instructions)
        {
            code.LoadAddress(TableRegister, table);
            code.LoadAddress(OutputRegister, output);
            code.LoadAddress(CountRegister, (uint)count);
            int loop = code.Position;
            code.Fld(1, TableRegister, 0);
            code.Fld(2, TableRegister, 8);
            code.Fld(3, TableRegister, 16);
            code.Csrrw(0, 3, 0);
            code.Word(instruction);
            if ((instruction >> 7 & 31) == 7)
            {
                code.Sd(7, OutputRegister, 0);
            }
            else
            {
                code.Fsd(4, OutputRegister, 0);
            }

            code.I(0x73, 2, 7, 0, 1);
            code.Sd(7, OutputRegister, 8);
            code.Addi(TableRegister, TableRegister, 24);
            code.Addi(OutputRegister, OutputRegister, 16);
            code.Addi(CountRegister, CountRegister, -1);
            code.Word(CodeWriter.Branch(1, CountRegister, 0, loop - code.Position));
            code.Addi(10, 0, 1);
            code.LoadAddress(11, output);
            code.LoadAddress(12, (uint)(count * 16));
            code.Addi(17, 0, 64);
            code.Ecall();
        }

        code.Addi(17, 0, 93);
        code.Addi(10, 0, 0);
        code.Ecall();
        Assert.True(code.Position <= 0x8000);
        byte[] image = new byte[(int)(output - UserProgram.ImageBase) + count * 16];
        code.ToArray().CopyTo(image, 0);
        Buffer.BlockCopy(triples.ToArray(), 0, image, 0x8000, triples.Count * 8);
        return new UserProgram(image);
    }
}
