namespace Colo.Vmm.Memory;

/// <summary>
/// Buffers of one page each for content that a capture saved before the guest overwrote it. Returned buffers are used
/// again, up to a bound, so that a machine under steady checkpoints allocates nothing.
/// </summary>
internal sealed class SavedPagePool
{
    // 8 MiB, or a quarter of RAM where that is more: what issue "checkpoint" allows a pair's host beside the RAM.
    private const int KeptCountLeast = 2048;

    private readonly Lock _lock = new();
    private readonly int _keptCountMax;
    private byte[][] _free = new byte[64][];
    private int _count;

    public SavedPagePool(int pageCount)
    {
        _keptCountMax = Math.Max(KeptCountLeast, pageCount / 4);
    }

    /// <summary>Buffers waiting for their next use.</summary>
    public int FreeCount
    {
        get
        {
            lock (_lock)
            {
                return _count;
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
        }

        return GC.AllocateUninitializedArray<byte>(GuestRam.PageSize);
    }

    public void Return(byte[] page)
    {
        lock (_lock)
        {
            if (_count == _keptCountMax)
            {
                return;
            }

            if (_count == _free.Length)
            {
                Array.Resize(ref _free, Math.Min(2 * _count, _keptCountMax));
            }

            _free[_count++] = page;
        }
    }
}
