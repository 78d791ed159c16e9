using System.Text;

namespace Akka.Remote.Transport;

/// <summary>The few protobuf primitives that the envelope codec needs, over spans and without allocation.</summary>
internal ref struct ProtoSpanWriter(Span<byte> target)
{
    private readonly Span<byte> _target = target;

    internal int Position { get; private set; }

    internal static int VarintSize(uint value) => 1 + (System.Numerics.BitOperations.Log2(value | 1) / 7);

    internal static uint ZigZag(int value) => unchecked((uint)((value << 1) ^ (value >> 31)));

    internal void Varint(uint value)
    {
        while (value >= 0x80)
        {
            _target[Position++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _target[Position++] = (byte)value;
    }

    internal void VarintField(int field, uint value)
    {
        _target[Position++] = (byte)(field << 3);
        Varint(value);
    }

    internal void BytesField(int field, ReadOnlySpan<byte> bytes)
    {
        _target[Position++] = (byte)((field << 3) | 2);
        Varint((uint)bytes.Length);
        bytes.CopyTo(_target[Position..]);
        Position += bytes.Length;
    }

    internal void StringField(int field, string text, int byteCount)
    {
        _target[Position++] = (byte)((field << 3) | 2);
        Varint((uint)byteCount);
        Encoding.UTF8.GetBytes(text, _target[Position..]);
        Position += byteCount;
    }
}

/// <summary>Reads protobuf fields from a span; everything that is not well formed throws
/// <see cref="WireFormatException"/>.</summary>
internal ref struct ProtoSpanReader(ReadOnlySpan<byte> source)
{
    private readonly ReadOnlySpan<byte> _source = source;
    private int _position;

    /// <summary>The next field's number and wire type; false at the end.</summary>
    internal bool TryTag(out int field, out int wireType)
    {
        field = 0;
        wireType = 0;
        if (_position >= _source.Length)
        {
            return false;
        }

        var tag = Varint();
        field = (int)(tag >> 3);
        wireType = (int)(tag & 7);
        return field > 0 ? true : throw new WireFormatException("field number 0");
    }

    internal uint Varint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if (_position >= _source.Length)
            {
                throw new WireFormatException("a number that ends early");
            }

            var next = _source[_position++];
            value |= (ulong)(next & 0x7F) << Math.Min(shift, 63);
            if (next < 0x80)
            {
                return unchecked((uint)value);
            }
        }

        throw new WireFormatException("a number of more than ten bytes");
    }

    internal int SignedVarint()
    {
        var value = Varint();
        return unchecked((int)(value >> 1) ^ -(int)(value & 1));
    }

    internal ReadOnlySpan<byte> Bytes()
    {
        var length = Varint();
        if (length > (uint)(_source.Length - _position))
        {
            throw new WireFormatException($"a field of {length} bytes where {_source.Length - _position} are left");
        }

        var bytes = _source.Slice(_position, (int)length);
        _position += (int)length;
        return bytes;
    }

    internal void Skip(int wireType)
    {
        switch (wireType)
        {
            case 0:
                Varint();
                break;
            case 1:
                Advance(8);
                break;
            case 2:
                Bytes();
                break;
            case 5:
                Advance(4);
                break;
            default:
                throw new WireFormatException($"wire type {wireType}");
        }
    }

    private void Advance(int count)
    {
        if (_source.Length - _position < count)
        {
            throw new WireFormatException("a fixed-size field that ends early");
        }

        _position += count;
    }
}
