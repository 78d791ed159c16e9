namespace Colo.Vmm.Memory;

/// <summary>
/// Buffers of one page each for content that a capture saved before the guest overwrote it, and for pages that are
/// staged for the guest: the two need memory in turns, so they share it. Returned buffers are used again, up to a bound,
/// so that a machine under steady checkpoints allocates nothing.
/// </summary>
internal sealed class SavedPagePool
{
    // 8 MiB, or a quarter of RAM where that is more: what issue "checkpoint" allows a pair's host beside the RAM.
    private const int KeptCountLeast = 2048;

    private readonly Lock _lock = new();
    private readonly int _keptCountMax;
    private byte[][] _free = new byte[64][];
    private int _count;
    private int _alive;
    private int _peakAlive;

    public SavedPagePool(int pageCount)
    {
        _keptCountMax = Math.Max(KeptCountLeast, pageCount / 4);
    }

    /// <summary>Buffers that exist, rented or waiting for their next use.</summary>
    public int AliveCount
    {
        get
        {
            lock (_lock)
            {
                return _alive;
            }
        }
    }

    /// <summary>The most that <see cref="AliveCount"/> has been.</summary>
    public int PeakAliveCount
    {
        get
        {
            lock (_lock)
            {
                return _peakAlive;
            }
        }
    }

    public byte[] Rent()
    {
        lock (_lock)
        {
            if (_count > 0)
            {
                byte[] page = _free[--_count];
                _free[_count] = null!;
                return page;
            }

            _peakAlive = Math.Max(_peakAlive, ++_alive);
        }

        return GC.AllocateUninitializedArray<byte>(GuestRam.PageSize);
    }

    public void Return(byte[] page)
    {
        lock (_lock)
        {
            if (_count == _keptCountMax)
            {
                _alive--;
                return;
            }

            if (_count == _free.Length)
            {
                Array.Resize(ref _free, Math.Min(2 * _count, _keptCountMax));
            }

            _free[_count++] = page;
        }
    }

    /// <summary>Gives the waiting buffers back to the host.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            _alive -= _count;
            Array.Clear(_free, 0, _count);
            _count = 0;
        }
    }
}
