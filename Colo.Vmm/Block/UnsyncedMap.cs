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

    /// <summary>Number of the flush that is under way, which may cover nothing; 0: none is.</summary>
    private int _flush;
    private int _flushes;

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

    /// <summary>A flush is being sent: what was marked so far goes with it. Gives its number for
    /// <see cref="EndFlush"/>, or 0 when another one is under way.</summary>
    public int BeginFlush()
    {
        lock (_lock)
        {
            if (_flush != 0)
            {
                return 0;
            }

            (_since, _before) = (_before, _since);
            foreach (var (offset, length) in _underWay)
            {
                Set(offset, length);
            }

            _flushes = Math.Max(1, unchecked(_flushes + 1));
            return _flush = _flushes;
        }
    }

    /// <summary>The flush is acknowledged. When the local disk has been flushed as well, only what changed since then
    /// stays pinned. Too late, when the link has been lost meanwhile.</summary>
    public void EndFlush(int number, DirtyBitmap? bothDurable)
    {
        lock (_lock)
        {
            if (number != _flush)
            {
                return;
            }

            _flush = 0;
            Array.Clear(_before);

            // In the lock: a change names itself here before it is pinned, so none slips in between.
            bothDurable?.Unpin(_since);
        }
    }

    /// <summary>The flush was not acknowledged: what went with it is as before it.</summary>
    public void CancelFlush(int number)
    {
        lock (_lock)
        {
            if (number != _flush)
            {
                return;
            }

            _flush = 0;
            for (var word = 0; word < _since.Length; word++)
            {
                _since[word] |= _before[word];
            }

            Array.Clear(_before);
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
            _flush = 0;
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
