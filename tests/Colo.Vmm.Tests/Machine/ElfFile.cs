using System.Buffers.Binary;
using System.Text;

namespace Colo.Vmm.Tests.Machine;

/// <summary>Makes a small RISC-V ELF file: one loadable segment and one symbol.</summary>
internal static class ElfFile
{
    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private const int SectionSize = 64;

    public static byte[] Build(ulong address, ReadOnlySpan<uint> program, int memorySize, string symbol, ulong symbolAddress)
    {
        int code = HeaderSize + ProgramHeaderSize;
        int symbols = code + (program.Length * 4);
        int strings = symbols + 24;
        int sections = strings + symbol.Length + 2;
        var file = new byte[sections + (2 * SectionSize)];
        void Half(int at, int value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), (ushort)value);
        void Word(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), value);
        void Wide(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), value);
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(file);
        Half(16, 2);
        Half(18, 243);
        Wide(24, address);
        Wide(32, HeaderSize);
        Wide(40, (ulong)sections);
        Half(54, ProgramHeaderSize);
        Half(56, 1);
        Half(58, SectionSize);
        Half(60, 2);
        Word(HeaderSize, 1);
        Wide(HeaderSize + 8, (ulong)code);
        Wide(HeaderSize + 24, address);
        Wide(HeaderSize + 32, (ulong)program.Length * 4);
        Wide(HeaderSize + 40, (ulong)memorySize);
        for (int i = 0; i < program.Length; i++)
        {
            Word(code + (i * 4), program[i]);
        }

        Word(symbols, 1);
        Wide(symbols + 8, symbolAddress);
        Encoding.ASCII.GetBytes(symbol, file.AsSpan(strings + 1));
        Word(sections + 4, 2);
        Wide(sections + 24, (ulong)symbols);
        Wide(sections + 32, 24);
        Word(sections + 40, 1);
        Word(sections + SectionSize + 4, 3);
        Wide(sections + SectionSize + 24, (ulong)strings);
        Wide(sections + SectionSize + 32, (ulong)symbol.Length + 2);
        return file;
    }
}
