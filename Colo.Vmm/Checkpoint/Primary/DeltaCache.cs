namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>
/// The content that the secondary has of the primary's hot pages, within a fixed number of pages. Used by one channel's
/// sender, for that channel's pages only. A page is taken in when it is sent for the second time since it was last
/// forgotten; the second-chance clock decides who goes.
/// </summary>
internal sealed class DeltaCache
{
    private readonly int[] _slotOfPage;
    private readonly byte[] _sentBefore;
    private readonly int[] _pageOfSlot;
    private readonly bool[] _recent;
    private readonly byte[]?[] _content;
    private int _used;
    private int _hand;

    public DeltaCache(int pageCount, int capacityPages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacityPages, 1);
        _slotOfPage = new int[pageCount];
        _sentBefore = new byte[(pageCount + 7) / 8];
        _pageOfSlot = new int[capacityPages];
        _recent = new bool[capacityPages];
        _content = new byte[]?[capacityPages];
    }

    public int Count => _used;

    public long ContentBytes => (long)_used * FrameLimits.PageSize;

    /// <summary>The secondary's copy of the page, when we have it.</summary>
    public bool TryGet(int page, out ReadOnlySpan<byte> content)
    {
        var slot = _slotOfPage[page] - 1;
        if (slot < 0)
        {
            content = default;
            return false;
        }

        _recent[slot] = true;
        content = _content[slot];
        return true;
    }

    /// <summary>The page was sent with this content.</summary>
    public void Sent(int page, ReadOnlySpan<byte> content)
    {
        var slot = _slotOfPage[page] - 1;
        if (slot < 0)
        {
            var bit = (byte)(1 << (page & 7));
            if ((_sentBefore[page >> 3] & bit) == 0)
            {
                _sentBefore[page >> 3] |= bit;
                return;
            }

            slot = TakeSlot();
            _slotOfPage[page] = slot + 1;
            _pageOfSlot[slot] = page;
        }

        _recent[slot] = true;
        content.CopyTo(_content[slot]);
    }

    /// <summary>The page was sent as zeros; a delta to that is never smaller, so its slot is better used
    /// otherwise.</summary>
    public void SentZero(int page)
    {
        var slot = _slotOfPage[page] - 1;
        if (slot >= 0)
        {
            _slotOfPage[page] = 0;
            _pageOfSlot[slot] = -1;
            _recent[slot] = false;
        }
    }

    /// <summary>Nothing is known any more about what the secondary has.</summary>
    public void Clear()
    {
        Array.Clear(_slotOfPage);
        Array.Clear(_sentBefore);
        Array.Fill(_pageOfSlot, -1);
        Array.Clear(_recent);
    }

    private int TakeSlot()
    {
        if (_used < _content.Length)
        {
            _content[_used] ??= GC.AllocateUninitializedArray<byte>(FrameLimits.PageSize);
            return _used++;
        }

        while (_recent[_hand])
        {
            _recent[_hand] = false;
            _hand = (_hand + 1) % _content.Length;
        }

        var slot = _hand;
        _hand = (_hand + 1) % _content.Length;
        if (_pageOfSlot[slot] >= 0)
        {
            _slotOfPage[_pageOfSlot[slot]] = 0;
        }

        return slot;
    }
}
