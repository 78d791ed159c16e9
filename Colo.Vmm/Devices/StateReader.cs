using System.Buffers.Binary;

namespace Colo.Vmm.Devices;

/// <summary>
/// Little-endian reader over bytes that nobody has vouched for. The first thing that is wrong is remembered in
/// <see cref="Error"/>; from then on every read gives zero, so that decoders need one check at the end.
/// </summary>
internal ref struct StateReader
{
    private ReadOnlySpan<byte> _rest;

    public StateReader(ReadOnlySpan<byte> bytes) => _rest = bytes;

    /// <summary>Null while everything was well formed.</summary>
    public string? Error { get; private set; }

    public readonly bool Failed => Error is not null;

    public readonly int Remaining => _rest.Length;

    public void Fail(string error) => Error ??= error;

    public byte UInt8(string field) => Take(1, field) is { Length: 1 } b ? b[0] : (byte)0;

    public bool Bool(string field)
    {
        byte value = UInt8(field);
        Require(value <= 1, field, value, "0 or 1");
        return value == 1;
    }

    public ushort UInt16(string field) => Take(2, field) is { Length: 2 } b ? BinaryPrimitives.ReadUInt16LittleEndian(b) : (ushort)0;

    public uint UInt32(string field) => Take(4, field) is { Length: 4 } b ? BinaryPrimitives.ReadUInt32LittleEndian(b) : 0;

    public int Int32(string field) => (int)UInt32(field);

    public ulong UInt64(string field) => Take(8, field) is { Length: 8 } b ? BinaryPrimitives.ReadUInt64LittleEndian(b) : 0;

    public long Int64(string field) => (long)UInt64(field);

    /// <summary>A 32-bit length and that many bytes; empty after an error.</summary>
    public ReadOnlySpan<byte> Bytes(string field, int lengthMax)
    {
        uint length = UInt32(field);
        Require(length <= (uint)lengthMax, field, length, $"a length of at most {lengthMax}");
        return Failed ? default : Take((int)length, field);
    }

    public ReadOnlySpan<byte> Raw(int length, string field) => Take(length, field);

    public void Require(bool condition, string field, ulong value, string expected)
    {
        if (!condition)
        {
            Fail($"{field} is {value}, expected {expected}");
        }
    }

    private ReadOnlySpan<byte> Take(int length, string field)
    {
        if (Failed)
        {
            return default;
        }

        if (_rest.Length < length)
        {
            Fail($"{field} needs {length} bytes, {_rest.Length} are left");
            return default;
        }

        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }
}
