using System.Numerics;

namespace Colo.Vmm.Block;

/// <summary>
/// Parts of the disk that changed since the peer last made everything durable. What is under way or only in the
/// peer's cache is among them, so they are what may be missing there when the link breaks or the peer's host
/// crashes. In memory only. A change that is being made belongs to every flush that begins before its end.
/// </summary>
internal sealed class UnsyncedMap
{
    private readonly Lock _lock = new();
    private readonly List<(long Offset, long Length)> _underWay = [];
    private readonly int _bits;
    private ulong[] _since;
    private ulong[] _before;

    public UnsyncedMap(long diskSizeBytes)
    {
        _bits = checked((int)((diskSizeBytes + DirtyBitmap.Granularity - 1) / DirtyBitmap.Granularity));
        _since = new ulong[(_bits + 63) / 64];
        _before = new ulong[_since.Length];
    }

    /// <summary>A change begins; <see cref="Leave"/> has to follow.</summary>
    public void Enter(long offset, long length)
    {
        lock (_lock)
        {
            _underWay.Add((offset, length));
            Set(offset, length);
        }
    }

    /// <summary>The change is on the local disk, and in the link's order if there is one.</summary>
    public void Leave(long offset, long length)
    {
        lock (_lock)
        {
            _ = _underWay.Remove((offset, length));
        }
    }

    /// <summary>A flush is being sent: what was marked so far goes with it. False when another one is under
    /// way.</summary>
    public bool TryBeginFlush()
    {
        lock (_lock)
        {
            foreach (var word in _before)
            {
                if (word != 0)
                {
                    return false;
                }
            }

            (_since, _before) = (_before, _since);
            foreach (var (offset, length) in _underWay)
            {
                Set(offset, length);
            }

            return true;
        }
    }

    /// <summary>The flush is acknowledged. When the local disk has been flushed as well, only what changed since then
    /// stays pinned.</summary>
    public void EndFlush(DirtyBitmap? bothDurable)
    {
        lock (_lock)
        {
            Array.Clear(_before);

            // In the lock: a change names itself here before it is pinned, so none slips in between.
            bothDurable?.Unpin(_since);
        }
    }

    /// <summary>Adds everything to a bitmap, and forgets it.</summary>
    public void MoveTo(DirtyBitmap bitmap)
    {
        lock (_lock)
        {
            for (var word = 0; word < _since.Length; word++)
            {
                for (var bits = _since[word] | _before[word]; bits != 0; bits &= bits - 1)
                {
                    var offset = (((long)word << 6) + BitOperations.TrailingZeroCount(bits)) * DirtyBitmap.Granularity;
                    _ = bitmap.Mark(offset, Math.Min(DirtyBitmap.Granularity, bitmap.DiskSizeBytes - offset));
                }
            }

            Array.Clear(_since);
            Array.Clear(_before);
        }
    }

    private void Set(long offset, long length)
    {
        var end = (offset + length + DirtyBitmap.Granularity - 1) / DirtyBitmap.Granularity;
        for (var bit = offset / DirtyBitmap.Granularity; bit < end && length > 0; bit++)
        {
            _since[bit >> 6] |= 1UL << (int)(bit & 63);
        }
    }
}
