using Colo.Vmm.Memory;

namespace Colo.Vmm.Devices.Virtio;

/// <summary>
/// One buffer of a queue: first what the device reads, then what it writes (virtio 1.2, section 2.7.4.2). Reused from
/// request to request; grows to the longest chain seen and then allocates no more.
/// </summary>
internal sealed class DescriptorChain
{
    private BufferSegment[] _segments = new BufferSegment[32];
    private int _count;
    private int _readableCount;

    /// <summary>Index of the first descriptor; names the chain in the used ring.</summary>
    public ushort Head { get; private set; }

    public ulong ReadableLength { get; private set; }

    public ulong WritableLength { get; private set; }

    public int SegmentCount => _count;

    public void Begin(ushort head)
    {
        Head = head;
        _count = 0;
        _readableCount = 0;
        ReadableLength = 0;
        WritableLength = 0;
    }

    /// <summary>False when a readable segment follows a writable one.</summary>
    public bool TryAdd(BufferSegment segment, bool writable)
    {
        if (!writable && _count != _readableCount)
        {
            return false;
        }

        if (_count == _segments.Length)
        {
            Array.Resize(ref _segments, _count * 2);
        }

        _segments[_count++] = segment;
        if (writable)
        {
            WritableLength += segment.Length;
        }
        else
        {
            _readableCount++;
            ReadableLength += segment.Length;
        }

        return true;
    }

    /// <summary>Copies from the readable part, starting <paramref name="offset"/> bytes into it; false when it is too
    /// short.</summary>
    public bool TryRead(GuestRam ram, ulong offset, Span<byte> destination)
    {
        for (int i = 0; i < _readableCount && destination.Length > 0; i++)
        {
            BufferSegment segment = _segments[i];
            if (offset >= segment.Length)
            {
                offset -= segment.Length;
                continue;
            }

            int count = (int)Math.Min(segment.Length - offset, (ulong)destination.Length);
            if (!ram.TryRead(segment.Address + offset, destination[..count]))
            {
                return false;
            }

            destination = destination[count..];
            offset = 0;
        }

        return destination.Length == 0;
    }

    /// <summary>Copies into the writable part, starting <paramref name="offset"/> bytes into it; false when it is too
    /// short.</summary>
    public bool TryWrite(GuestRam ram, ulong offset, ReadOnlySpan<byte> source)
    {
        for (int i = _readableCount; i < _count && source.Length > 0; i++)
        {
            BufferSegment segment = _segments[i];
            if (offset >= segment.Length)
            {
                offset -= segment.Length;
                continue;
            }

            int count = (int)Math.Min(segment.Length - offset, (ulong)source.Length);
            if (!ram.TryWrite(segment.Address + offset, source[..count]))
            {
                return false;
            }

            source = source[count..];
            offset = 0;
        }

        return source.Length == 0;
    }
}
