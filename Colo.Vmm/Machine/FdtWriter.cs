using System.Buffers.Binary;
using System.Text;

namespace Colo.Vmm.Machine;

/// <summary>Writes a flattened device tree, version 17 (Devicetree specification 0.4, chapter 5).</summary>
internal sealed class FdtWriter
{
    private const uint Magic = 0xd00dfeed;
    private const uint BeginNodeToken = 1;
    private const uint EndNodeToken = 2;
    private const uint PropertyToken = 3;
    private const uint EndToken = 9;
    private const int HeaderSize = 40;
    private const int ReservationSize = 16;

    private readonly List<byte> _structure = [];
    private readonly List<byte> _strings = [];
    private readonly Dictionary<string, uint> _stringOffsets = [];
    private uint _lastHandle;

    /// <summary>A new phandle.</summary>
    public uint NewHandle() => ++_lastHandle;

    public void BeginNode(string name)
    {
        Cell(BeginNodeToken);
        _structure.AddRange(Encoding.ASCII.GetBytes(name));
        _structure.Add(0);
        Align();
    }

    public void EndNode() => Cell(EndNodeToken);

    public void Property(string name, ReadOnlySpan<byte> value)
    {
        Cell(PropertyToken);
        Cell((uint)value.Length);
        Cell(StringOffset(name));
        _structure.AddRange(value);
        Align();
    }

    public void Property(string name) => Property(name, ReadOnlySpan<byte>.Empty);

    public void Property(string name, params ReadOnlySpan<string> values) =>
        Property(name, Encoding.UTF8.GetBytes(string.Concat(values.ToArray().Select(v => v + "\0"))));

    public void Cells(string name, params ReadOnlySpan<uint> cells)
    {
        var bytes = new byte[cells.Length * 4];
        for (int i = 0; i < cells.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(i * 4), cells[i]);
        }

        Property(name, bytes);
    }

    /// <summary>An address and a size, two cells each.</summary>
    public void Region(string name, ulong address, ulong size) =>
        Cells(name, (uint)(address >> 32), (uint)address, (uint)(size >> 32), (uint)size);

    public void Wide(string name, ulong value) => Cells(name, (uint)(value >> 32), (uint)value);

    public byte[] ToArray()
    {
        Cell(EndToken);
        int structureOffset = HeaderSize + ReservationSize;
        int stringsOffset = structureOffset + (int)_structure.Count;
        int total = stringsOffset + (int)_strings.Count;
        var blob = new byte[(total + 7) & ~7];
        Span<uint> header =
        [
            Magic, (uint)blob.Length, (uint)structureOffset, (uint)stringsOffset, HeaderSize, 17, 16, 0,
            (uint)_strings.Count, (uint)_structure.Count,
        ];
        for (int i = 0; i < header.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(blob.AsSpan(i * 4), header[i]);
        }

        _structure.CopyTo(blob, structureOffset);
        _strings.CopyTo(blob, stringsOffset);
        return blob;
    }

    private void Cell(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        _structure.AddRange(bytes);
    }

    private void Align()
    {
        while (_structure.Count % 4 != 0)
        {
            _structure.Add(0);
        }
    }

    private uint StringOffset(string name)
    {
        if (!_stringOffsets.TryGetValue(name, out uint offset))
        {
            offset = (uint)_strings.Count;
            _stringOffsets.Add(name, offset);
            _strings.AddRange(Encoding.ASCII.GetBytes(name));
            _strings.Add(0);
        }

        return offset;
    }
}
