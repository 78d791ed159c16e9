namespace Colo.Vmm.Monitor;

/// <summary>
/// Cuts a stream of bytes into JSON objects, which need no separator between them. Strings in single quotes, which QEMU
/// accepts, are turned into JSON's. Memory is bounded: a value above <see cref="LengthMax"/> is dropped up to its end.
/// A control character outside white space, and the byte 0xFF, put the framer back to its start.
/// </summary>
internal sealed class QmpFramer
{
    public const int LengthMax = 1 << 20;

    private readonly List<byte> _value = [];
    private int _depth;
    private byte _quote;
    private bool _escaped;
    private bool _inScalar;
    private bool _tooLong;

    /// <summary>Takes one byte; true when it completes a value, which <see cref="Take"/> then gives.</summary>
    public bool Push(byte b)
    {
        if (b == 0xff || (b < 0x20 && b is not ((byte)'\t' or (byte)'\n' or (byte)'\r')))
        {
            Clear();
            return false;
        }

        if (_quote != 0)
        {
            PushInString(b);
            return _depth == 0 && _quote == 0 && !_inScalar;
        }

        bool isSpace = b is (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r';
        if (_depth == 0 && !_inScalar && isSpace)
        {
            return false;
        }

        return isSpace && _inScalar ? EndScalar() : PushToken(b);
    }

    /// <summary>The completed value; null when it was too long. Starts the next one.</summary>
    public byte[]? Take()
    {
        byte[]? value = _tooLong ? null : [.. _value];
        Clear();
        return value;
    }

    private bool PushToken(byte b)
    {
        switch (b)
        {
            case (byte)'{' or (byte)'[':
                _depth++;
                _inScalar = false;
                break;
            case (byte)'}' or (byte)']':
                _depth = Math.Max(0, _depth - 1);
                Append(b);
                return _depth == 0;
            case (byte)'"' or (byte)'\'':
                _quote = b;
                Append((byte)'"');
                return false;
            default:
                // Something that is no object at top level ends with the line; it will be refused as a whole.
                _inScalar = _depth == 0;
                break;
        }

        Append(b);
        return false;
    }

    private void PushInString(byte b)
    {
        if (_escaped)
        {
            _escaped = false;
            if (b == (byte)'\'')
            {
                // \' is not JSON: the backslash goes.
                _value.RemoveAt(_value.Count - 1);
            }

            Append(b);
        }
        else if (b == _quote)
        {
            _quote = 0;
            Append((byte)'"');
        }
        else
        {
            _escaped = b == (byte)'\\';
            if (b == (byte)'"')
            {
                Append((byte)'\\');
            }

            Append(b);
        }
    }

    private bool EndScalar()
    {
        _inScalar = false;
        return true;
    }

    private void Append(byte b)
    {
        if (_value.Count < LengthMax)
        {
            _value.Add(b);
        }
        else
        {
            _tooLong = true;
        }
    }

    private void Clear()
    {
        _value.Clear();
        _depth = 0;
        _quote = 0;
        _escaped = _inScalar = _tooLong = false;
    }
}
