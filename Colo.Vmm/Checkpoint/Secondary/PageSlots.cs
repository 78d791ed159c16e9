namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// Room for staged pages: slabs of 1 MiB that are made when needed, up to a bound, and kept for the next checkpoint.
/// Slots may be rented by several page channels at once.
/// </summary>
internal sealed class PageSlots
{
    private const int PagesPerSlab = 256;

    private readonly Lock _lock = new();
    private readonly int _capacity;
    private readonly byte[]?[] _slabs;
    private int[] _free = [];
    private int _freeCount;
    private int _made;

    /// <param name="capacityPages">Most pages that may be staged at a time, over all checkpoints.</param>
    public PageSlots(int capacityPages)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacityPages);
        _capacity = capacityPages;
        _slabs = new byte[]?[(capacityPages + PagesPerSlab - 1) / PagesPerSlab];
    }

    public int Capacity => _capacity;

    public int InUse
    {
        get
        {
            lock (_lock)
            {
                return _made - _freeCount;
            }
        }
    }

    /// <summary>Bytes of all slabs, used or not.</summary>
    public long AllocatedBytes
    {
        get
        {
            lock (_lock)
            {
                return (_made + PagesPerSlab - 1) / PagesPerSlab * (long)PagesPerSlab * FrameLimits.PageSize;
            }
        }
    }

    public Span<byte> this[int slot] =>
        _slabs[slot / PagesPerSlab].AsSpan(slot % PagesPerSlab * FrameLimits.PageSize, FrameLimits.PageSize);

    /// <summary>False at the bound.</summary>
    public bool TryRent(out int slot)
    {
        lock (_lock)
        {
            if (_freeCount > 0)
            {
                slot = _free[--_freeCount];
                return true;
            }

            if (_made == _capacity)
            {
                slot = -1;
                return false;
            }

            slot = _made++;
            _slabs[slot / PagesPerSlab] ??=
                GC.AllocateUninitializedArray<byte>(PagesPerSlab * FrameLimits.PageSize);
            return true;
        }
    }

    public void Return(int slot)
    {
        lock (_lock)
        {
            if (_freeCount == _free.Length)
            {
                Array.Resize(ref _free, Math.Min(Math.Max(1024, 2 * _freeCount), _capacity));
            }

            _free[_freeCount++] = slot;
        }
    }

    /// <summary>Gives the memory back to the host; only when nothing is rented.</summary>
    public bool TryRelease()
    {
        lock (_lock)
        {
            if (_made != _freeCount)
            {
                return false;
            }

            Array.Clear(_slabs);
            _made = 0;
            _freeCount = 0;
            return true;
        }
    }
}
