using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// The pages received for one checkpoint and not yet in the guest's RAM; the last version of a page replaces the one
/// before. Channels may put pages at the same time as long as each page has one channel.
/// </summary>
internal sealed class StagedPages
{
    private const int Absent = 0;
    private const int Zero = -1;
    private const int InRam = -2;

    private readonly PageSlots _slots;
    private readonly int[] _slotOfPage; // slot + 1
    private readonly DirtyPages _members;
    private long _count;
    private long _setDigest;
    private int _overflowed;

    public StagedPages(int pageCount, PageSlots slots)
    {
        _slots = slots;
        _slotOfPage = new int[pageCount];
        _members = new DirtyPages(pageCount);
    }

    /// <summary>Different pages staged.</summary>
    public int Count => (int)Volatile.Read(ref _count);

    /// <summary>Sum of <see cref="PageHash.OfNumber"/> over them.</summary>
    public ulong SetDigest => (ulong)Volatile.Read(ref _setDigest);

    /// <summary>A page did not fit: the checkpoint cannot become whole.</summary>
    public bool Overflowed => Volatile.Read(ref _overflowed) != 0;

    public DirtyPages Members => _members;

    public bool Contains(int page) => Volatile.Read(ref _slotOfPage[page]) != Absent;

    public bool TryPut(int page, ReadOnlySpan<byte> content)
    {
        var slot = _slotOfPage[page] - 1;
        if (slot < 0)
        {
            if (!_slots.TryRent(out slot))
            {
                Volatile.Write(ref _overflowed, 1);
                return false;
            }

            NoteMember(page);
        }

        content.CopyTo(_slots[slot]);
        Volatile.Write(ref _slotOfPage[page], slot + 1);
        return true;
    }

    public void PutZero(int page)
    {
        var old = _slotOfPage[page];
        if (old > 0)
        {
            _slots.Return(old - 1);
        }

        NoteMember(page);
        Volatile.Write(ref _slotOfPage[page], Zero);
    }

    /// <summary>The page was written into RAM, because there is no image to protect yet; only its number is kept.</summary>
    public void NoteInRam(int page)
    {
        NoteMember(page);
        Volatile.Write(ref _slotOfPage[page], InRam);
    }

    /// <summary>
    /// The staged bytes of a page; an empty span for a page of zeros. False when it is not staged, or is in RAM already.
    /// </summary>
    public bool TryGet(int page, out ReadOnlySpan<byte> content)
    {
        var slot = Volatile.Read(ref _slotOfPage[page]);
        content = slot > 0 ? _slots[slot - 1] : default;
        return slot is > 0 or Zero;
    }

    /// <summary>Forgets everything; nobody else may be using the object.</summary>
    public void Clear()
    {
        var cursor = 0;
        while (_members.NextSet(ref cursor, out var page))
        {
            if (_slotOfPage[page] > 0)
            {
                _slots.Return(_slotOfPage[page] - 1);
            }

            _slotOfPage[page] = Absent;
        }

        _members.Clear();
        _count = 0;
        _setDigest = 0;
        _overflowed = 0;
    }

    private void NoteMember(int page)
    {
        if (_slotOfPage[page] == Absent)
        {
            _members.Mark(page);
            Interlocked.Increment(ref _count);
            Interlocked.Add(ref _setDigest, unchecked((long)PageHash.OfNumber(page)));
        }
    }
}
