using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Colo.Vmm.Checksums;
using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>
/// The machine's state without RAM as one stream of bytes: magic, version, sections, CRC-32C. Layout in
/// docs/protocol-machine-state.md. Nothing in a stream is believed: length and checksum come first, then every section
/// is decoded and checked, and only when all are good does the machine change.
/// </summary>
internal sealed class MachineStateCodec
{
    /// <summary>Version of the container. Sections have their own versions.</summary>
    public const ushort Version = 1;

    /// <summary>Oldest container version that is still read.</summary>
    public const ushort VersionMin = 1;
    private const int HeaderSize = 24;
    private const int SectionHeaderSize = 12;
    private const int ChecksumSize = 4;

    /// <summary>
    /// A bound for what a file may make us buffer, and one that every machine's state fits into: a card's queue of up
    /// to 1 MiB in each of eight slots is most of it, the rest is less than 1 MiB.
    /// </summary>
    public const int LengthMax = 16 << 20;

    private readonly Board _board;
    private readonly IStatefulDevice[] _sections;
    private readonly ArrayBufferWriter<byte> _stream = new(16384);
    private readonly ArrayBufferWriter<byte> _section = new(4096);
    private readonly StateWriter _sectionWriter;

    public MachineStateCodec(Board board, RunLoop loop)
    {
        _board = board;
        _sectionWriter = new StateWriter(_section);
        // The clock comes first: devices compute their deadlines from it. Harts come before devices, whose lines drive
        // mip.
        _sections =
        [
            board.Clock, new LoopSection(board, loop),
            .. board.Harts.Select(h => new HartSection(h)), .. board.Stateful,
        ];
    }

    private static ReadOnlySpan<byte> Magic => "COLOSTAT"u8;

    public void Save(IBufferWriter<byte> destination)
    {
        _stream.ResetWrittenCount();
        Span<byte> header = _stream.GetSpan(HeaderSize)[..HeaderSize];
        header.Clear();
        _stream.Advance(HeaderSize);
        foreach (IStatefulDevice section in _sections)
        {
            _section.ResetWrittenCount();
            section.Save(_sectionWriter);
            Span<byte> sectionHeader = _stream.GetSpan(SectionHeaderSize);
            Encoding.ASCII.GetBytes(section.SectionTag, sectionHeader);
            BinaryPrimitives.WriteUInt16LittleEndian(sectionHeader[4..], section.StateVersion);
            BinaryPrimitives.WriteUInt16LittleEndian(sectionHeader[6..], 0);
            BinaryPrimitives.WriteInt32LittleEndian(sectionHeader[8..], _section.WrittenCount);
            _stream.Advance(SectionHeaderSize);
            _stream.Write(_section.WrittenSpan);
        }

        int length = _stream.WrittenCount + ChecksumSize;
        Span<byte> output = destination.GetSpan(length)[..length];
        _stream.WrittenSpan.CopyTo(output);
        Magic.CopyTo(output);
        BinaryPrimitives.WriteUInt16LittleEndian(output[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(output[10..], (ushort)_sections.Length);
        BinaryPrimitives.WriteInt32LittleEndian(output[12..], length);
        BinaryPrimitives.WriteUInt64LittleEndian(output[16..], _board.Ram.SizeBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(output[^ChecksumSize..], Crc32C.Compute(output[..^ChecksumSize]));
        destination.Advance(length);
    }

    /// <summary>What is wrong with the state; null when <see cref="Restore"/> would take it. Changes nothing.</summary>
    public string? Check(ReadOnlySpan<byte> state) => Decode(state, new DeviceState[_sections.Length]);

    public RestoreResult Restore(ReadOnlySpan<byte> state)
    {
        var decoded = new DeviceState[_sections.Length];
        if (Decode(state, decoded) is { } error)
        {
            return RestoreResult.Failed(error);
        }

        _board.ResetDevices();
        for (int i = 0; i < _sections.Length; i++)
        {
            _sections[i].Restore(decoded[i]);
        }

        return RestoreResult.Ok;
    }

    private string? Decode(ReadOnlySpan<byte> state, DeviceState[] decoded)
    {
        if (CheckContainer(state) is { } error)
        {
            return error;
        }

        ReadOnlySpan<byte> rest = state[HeaderSize..^ChecksumSize];
        for (int i = 0; i < _sections.Length; i++)
        {
            if (DecodeSection(_sections[i], ref rest, out decoded[i]) is { } sectionError)
            {
                return $"machine state, section {i}: {sectionError}";
            }
        }

        return rest.Length > 0 ? $"machine state: {rest.Length} bytes behind the last section" : null;
    }

    private string? CheckContainer(ReadOnlySpan<byte> state)
    {
        if (state.Length < HeaderSize + ChecksumSize || !state.StartsWith(Magic))
        {
            return $"machine state: {state.Length} bytes that do not begin with {Encoding.ASCII.GetString(Magic)}";
        }

        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(state[8..]);
        if (version is < VersionMin or > Version)
        {
            return $"machine state: format version {version}, this program reads versions {VersionMin} to {Version}";
        }

        int length = BinaryPrimitives.ReadInt32LittleEndian(state[12..]);
        if (length != state.Length)
        {
            return $"machine state: length field says {length} bytes, {state.Length} are there";
        }

        uint checksum = BinaryPrimitives.ReadUInt32LittleEndian(state[^ChecksumSize..]);
        uint computed = Crc32C.Compute(state[..^ChecksumSize]);
        if (checksum != computed)
        {
            return $"machine state: checksum 0x{checksum:x8}, computed 0x{computed:x8}";
        }

        int count = BinaryPrimitives.ReadUInt16LittleEndian(state[10..]);
        if (count != _sections.Length)
        {
            return $"machine state: {count} sections, this machine has {_sections.Length}; the machines are not built alike";
        }

        ulong ram = BinaryPrimitives.ReadUInt64LittleEndian(state[16..]);
        return ram == _board.Ram.SizeBytes ? null : $"machine state: {ram} bytes of RAM, this machine has {_board.Ram.SizeBytes}";
    }

    private static string? DecodeSection(IStatefulDevice section, ref ReadOnlySpan<byte> rest, out DeviceState state)
    {
        state = null!;
        if (rest.Length < SectionHeaderSize)
        {
            return $"{section.SectionTag}: header cut off";
        }

        Span<byte> tag = stackalloc byte[4];
        Encoding.ASCII.GetBytes(section.SectionTag, tag);
        if (!rest.StartsWith(tag))
        {
            return $"found tag 0x{BinaryPrimitives.ReadUInt32BigEndian(rest):x8}, expected {section.SectionTag}";
        }

        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(rest[4..]);
        int length = BinaryPrimitives.ReadInt32LittleEndian(rest[8..]);
        if (version == 0 || version > section.StateVersion)
        {
            return $"{section.SectionTag}: version {version}, this program reads versions 1 to {section.StateVersion}";
        }

        if (length < 0 || length > rest.Length - SectionHeaderSize)
        {
            return $"{section.SectionTag}: length {length}, {rest.Length - SectionHeaderSize} bytes are left";
        }

        var reader = new StateReader(rest.Slice(SectionHeaderSize, length));
        DeviceState? decoded = section.Decode(ref reader, version);
        rest = rest[(SectionHeaderSize + length)..];
        if (decoded is null || reader.Error is not null)
        {
            return $"{section.SectionTag}: {reader.Error ?? "cannot be decoded"}";
        }

        state = decoded;
        return reader.Remaining == 0 ? null : $"{section.SectionTag}: {reader.Remaining} bytes too many";
    }
}
