namespace Colo.Vmm.Block;

/// <summary>Reads a stream in large pieces and hands out small ones. A failing or ended stream is a false, not an
/// exception. One thread.</summary>
internal sealed class LinkInput(Stream stream)
{
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(128 * 1024, pinned: true);
    private int _start;
    private int _end;

    /// <summary>Bytes at hand.</summary>
    public int Buffered => _end - _start;

    /// <summary>What the stream threw, once it did.</summary>
    public string? Failure { get; private set; }

    /// <summary>Waits until so many bytes, at most 64 KiB, are at hand.</summary>
    public bool TryFill(int count)
    {
        if (_end - _start >= count)
        {
            return true;
        }

        if (_start + count > _buffer.Length || _start == _end)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        while (_end - _start < count)
        {
            if (!TryRead(_buffer.AsSpan(_end), out var read))
            {
                return false;
            }

            _end += read;
        }

        return true;
    }

    /// <summary>The next bytes, which <see cref="TryFill"/> made sure of; valid until the next call.</summary>
    public ReadOnlySpan<byte> Take(int count)
    {
        var span = _buffer.AsSpan(_start, count);
        _start += count;
        return span;
    }

    /// <summary>Fills the destination, bypassing the buffer for what is not in it.</summary>
    public bool TryReadInto(Span<byte> destination)
    {
        var here = Math.Min(destination.Length, Buffered);
        Take(here).CopyTo(destination);
        destination = destination[here..];
        while (destination.Length > 0)
        {
            if (!TryRead(destination, out var read))
            {
                return false;
            }

            destination = destination[read..];
        }

        return true;
    }

    /// <summary>Reads and forgets.</summary>
    public bool TrySkip(long count)
    {
        while (count > 0)
        {
            var part = (int)Math.Min(count, 64 * 1024);
            if (!TryFill(part))
            {
                return false;
            }

            _ = Take(part);
            count -= part;
        }

        return true;
    }

    private bool TryRead(Span<byte> destination, out int read)
    {
        try
        {
            read = stream.Read(destination);
            return read > 0;
        }
        catch (Exception error) when (LinkStreams.IsLinkFailure(error))
        {
            Failure = error.Message;
            read = 0;
            return false;
        }
    }
}
