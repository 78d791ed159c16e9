using System.Buffers.Binary;
using System.Text;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Machine;

/// <summary>
/// A 64-bit little-endian RISC-V ELF executable, loaded at its physical addresses. Every offset in the file is checked.
/// Source: System V ABI, chapters 4 and 5; RISC-V ELF psABI.
/// </summary>
internal sealed class ElfImage
{
    private const int HeaderSize = 64;
    private const ushort MachineRiscV = 243;
    private const int SymbolSize = 24;

    private readonly byte[] _file;
    private readonly string _path;

    private ElfImage(byte[] file, string path)
    {
        _file = file;
        _path = path;
    }

    public ulong Entry => BinaryPrimitives.ReadUInt64LittleEndian(_file.AsSpan(24));

    /// <summary>End of the highest loaded segment, zero-filled part included.</summary>
    public ulong End { get; private set; }

    public static bool IsElf(ReadOnlySpan<byte> start) => start.StartsWith("\u007fELF"u8);

    public static ElfImage Parse(byte[] file, string path)
    {
        if (file.Length < HeaderSize || !IsElf(file) || file[4] != 2 || file[5] != 1
            || BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(18)) != MachineRiscV)
        {
            throw new LoadException($"{path}: expected a 64-bit little-endian RISC-V ELF file");
        }

        return new ElfImage(file, path);
    }

    public void Load(GuestRam ram)
    {
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(_file.AsSpan(32));
        int size = BinaryPrimitives.ReadUInt16LittleEndian(_file.AsSpan(54));
        int count = BinaryPrimitives.ReadUInt16LittleEndian(_file.AsSpan(56));
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> header = Slice(offset + ((ulong)i * (ulong)size), 56);
            if (BinaryPrimitives.ReadUInt32LittleEndian(header) != 1)
            {
                continue;
            }

            ulong fileOffset = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
            ulong fileSize = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
            ulong memorySize = BinaryPrimitives.ReadUInt64LittleEndian(header[40..]);
            LoadSegment(ram, Slice(fileOffset, fileSize), address, memorySize);
        }
    }

    /// <summary>Address of a symbol; null when the file has none of that name.</summary>
    public ulong? FindSymbol(string name)
    {
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(_file.AsSpan(40));
        int size = BinaryPrimitives.ReadUInt16LittleEndian(_file.AsSpan(58));
        int count = BinaryPrimitives.ReadUInt16LittleEndian(_file.AsSpan(60));
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> section = Slice(offset + ((ulong)i * (ulong)size), 64);
            const uint SymbolTable = 2;
            if (BinaryPrimitives.ReadUInt32LittleEndian(section[4..]) == SymbolTable)
            {
                uint link = BinaryPrimitives.ReadUInt32LittleEndian(section[40..]);
                ReadOnlySpan<byte> strings = SectionContent(Slice(offset + (link * (ulong)size), 64));
                return FindSymbol(SectionContent(section), strings, Encoding.ASCII.GetBytes(name));
            }
        }

        return null;
    }

    private static ulong? FindSymbol(ReadOnlySpan<byte> symbols, ReadOnlySpan<byte> strings, ReadOnlySpan<byte> name)
    {
        for (; symbols.Length >= SymbolSize; symbols = symbols[SymbolSize..])
        {
            uint at = BinaryPrimitives.ReadUInt32LittleEndian(symbols);
            if (at < strings.Length && strings[(int)at..] is var rest && rest.Length > name.Length
                && rest.StartsWith(name) && rest[name.Length] == 0)
            {
                return BinaryPrimitives.ReadUInt64LittleEndian(symbols[8..]);
            }
        }

        return null;
    }

    private ReadOnlySpan<byte> SectionContent(ReadOnlySpan<byte> section) => Slice(
        BinaryPrimitives.ReadUInt64LittleEndian(section[24..]), BinaryPrimitives.ReadUInt64LittleEndian(section[32..]));

    private void LoadSegment(GuestRam ram, ReadOnlySpan<byte> content, ulong address, ulong memorySize)
    {
        if (memorySize > ram.SizeBytes || !ram.TryWrite(address, content))
        {
            throw new LoadException(
                $"{_path}: segment of {memorySize} bytes at 0x{address:x} does not fit into RAM at 0x{ram.BaseAddress:x}"
                + $"..0x{ram.BaseAddress + ram.SizeBytes:x}");
        }

        var zeroes = new byte[GuestRam.PageSize];
        for (ulong at = (ulong)content.Length; at < memorySize; at += (ulong)zeroes.Length)
        {
            int length = (int)Math.Min((ulong)zeroes.Length, memorySize - at);
            if (!ram.TryWrite(address + at, zeroes.AsSpan(0, length)))
            {
                throw new LoadException($"{_path}: segment of {memorySize} bytes at 0x{address:x} leaves RAM");
            }
        }

        End = Math.Max(End, address + memorySize);
    }

    private ReadOnlySpan<byte> Slice(ulong offset, ulong length)
    {
        if (offset > (ulong)_file.Length || length > (ulong)_file.Length - offset)
        {
            throw new LoadException($"{_path}: {length} bytes at offset {offset} are beyond the end of the file ({_file.Length} bytes)");
        }

        return _file.AsSpan((int)offset, (int)length);
    }
}
