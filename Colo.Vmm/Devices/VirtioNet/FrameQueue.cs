using System.Buffers.Binary;

namespace Colo.Vmm.Devices.VirtioNet;

/// <summary>
/// Bounded queue of frames from a back end's thread to the machine's thread: one circular buffer, each frame with its
/// length in front, nothing allocated after construction. A frame that does not fit is refused.
/// </summary>
internal sealed class FrameQueue(int capacityBytes)
{
    private readonly Lock _lock = new();
    private readonly byte[] _ring = new byte[capacityBytes];
    private int _start;
    private int _used;

    /// <summary>Whether a frame waits; a hint that may be read without the lock.</summary>
    public bool IsEmpty => Volatile.Read(ref _used) == 0;

    public bool TryEnqueue(ReadOnlySpan<byte> frame)
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, frame.Length);
        lock (_lock)
        {
            if (_ring.Length - _used < frame.Length + 4)
            {
                return false;
            }

            Append(length);
            Append(frame);
            return true;
        }
    }

    /// <summary>Copies the oldest frame without removing it; 0 when there is none.</summary>
    public int Peek(Span<byte> destination)
    {
        lock (_lock)
        {
            if (_used == 0)
            {
                return 0;
            }

            int length = FirstLength();
            Copy(_start + 4, destination[..length]);
            return length;
        }
    }

    public void RemoveFirst()
    {
        lock (_lock)
        {
            if (_used > 0)
            {
                int size = FirstLength() + 4;
                _start = (_start + size) % _ring.Length;
                _used -= size;
            }
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _used = 0;
        }
    }

    /// <summary>All frames, oldest first, each behind its length (u32, little-endian).</summary>
    public byte[] Save()
    {
        lock (_lock)
        {
            var bytes = new byte[_used];
            Copy(_start, bytes);
            return bytes;
        }
    }

    /// <summary>Takes the place of what waits; <paramref name="saved"/> has passed
    /// <see cref="IsWellFormed"/>.</summary>
    public void Restore(ReadOnlySpan<byte> saved)
    {
        lock (_lock)
        {
            _start = 0;
            _used = 0;
            Append(saved);
        }
    }

    /// <summary>Whether the bytes are frames with lengths from 1 to <paramref name="frameSizeMax"/>, and nothing
    /// else.</summary>
    public static bool IsWellFormed(ReadOnlySpan<byte> saved, int frameSizeMax)
    {
        while (saved.Length > 4)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(saved);
            if (length == 0 || length > (uint)frameSizeMax || length > (uint)saved.Length - 4)
            {
                return false;
            }

            saved = saved[(4 + (int)length)..];
        }

        return saved.IsEmpty;
    }

    private int FirstLength()
    {
        Span<byte> length = stackalloc byte[4];
        Copy(_start, length);
        return BinaryPrimitives.ReadInt32LittleEndian(length);
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        int end = (_start + _used) % _ring.Length;
        int first = Math.Min(bytes.Length, _ring.Length - end);
        bytes[..first].CopyTo(_ring.AsSpan(end));
        bytes[first..].CopyTo(_ring);
        _used += bytes.Length;
    }

    private void Copy(int from, Span<byte> destination)
    {
        from %= _ring.Length;
        int first = Math.Min(destination.Length, _ring.Length - from);
        _ring.AsSpan(from, first).CopyTo(destination);
        _ring.AsSpan(0, destination.Length - first).CopyTo(destination[first..]);
    }
}
