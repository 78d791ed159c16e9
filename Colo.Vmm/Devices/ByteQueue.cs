namespace Colo.Vmm.Devices;

/// <summary>Bounded queue of bytes from other threads to the machine's thread; what does not fit is refused.</summary>
internal sealed class ByteQueue(int capacity)
{
    private readonly Lock _lock = new();
    private readonly byte[] _bytes = new byte[capacity];
    private int _start;
    private int _count;

    /// <summary>Any thread. Returns how many bytes fitted.</summary>
    public int Enqueue(ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            int taken = Math.Min(source.Length, _bytes.Length - _count);
            for (int i = 0; i < taken; i++)
            {
                _bytes[(_start + _count++) % _bytes.Length] = source[i];
            }

            return taken;
        }
    }

    public int Dequeue(Span<byte> destination)
    {
        lock (_lock)
        {
            int taken = Math.Min(destination.Length, _count);
            for (int i = 0; i < taken; i++)
            {
                destination[i] = _bytes[_start];
                _start = (_start + 1) % _bytes.Length;
            }

            _count -= taken;
            return taken;
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _count = 0;
        }
    }
}
