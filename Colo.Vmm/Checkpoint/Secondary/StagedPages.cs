using System.Diagnostics.CodeAnalysis;
using Colo.Vmm.Checksums;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// The pages received for one checkpoint and not yet in the guest's RAM; the last version of a page replaces the one
/// before. A page is in a buffer, in the spill file, or only a mark. Channels may put pages at the same time as long as
/// each block of 64 pages has one channel (<see cref="CheckpointLink.ChannelOf"/>): what they have staged is counted
/// when it is asked for, so that they share no counter.
/// </summary>
internal sealed class StagedPages
{
    // Marks in the table; compared by reference.
    private static readonly byte[] s_zero = [];
    private static readonly byte[] s_inRam = new byte[1];
    private static readonly byte[] s_spilled = new byte[2];

    private readonly StagingRoom _room;
    private readonly byte[]?[] _contentOfPage;
    private readonly int[] _slotOfPage;
    private readonly DirtyPages _members;
    private int _overflowed;

    public StagedPages(int pageCount, StagingRoom room)
    {
        _room = room;
        _contentOfPage = new byte[]?[pageCount];
        _slotOfPage = room.HasFile ? new int[pageCount] : [];
        _members = new DirtyPages(pageCount);
    }

    /// <summary>Different pages staged; counted on each call.</summary>
    public int Count => _members.Count;

    /// <summary>Bytes of the tables, whatever is staged.</summary>
    public long TableBytes =>
        (long)_contentOfPage.Length * IntPtr.Size + (long)_slotOfPage.Length * sizeof(int) + _members.PageCount / 8;

    /// <summary>Sum of <see cref="PageHash.OfNumber"/> over them; nobody else may be using the object.</summary>
    public ulong SetDigest
    {
        get
        {
            var sum = 0UL;
            var cursor = 0;
            while (_members.NextSet(ref cursor, out var page))
            {
                sum = unchecked(sum + PageHash.OfNumber(page));
            }

            return sum;
        }
    }

    /// <summary>A page did not fit: the checkpoint cannot become whole.</summary>
    public bool Overflowed => Volatile.Read(ref _overflowed) != 0;

    public DirtyPages Members => _members;

    public bool Contains(int page) => Volatile.Read(ref _contentOfPage[page]) is not null;

    /// <summary>Keeps a copy of the page and moves the checksum's register on behind it. False: there is no
    /// room.</summary>
    public bool TryPut(int page, ReadOnlySpan<byte> content, ref uint register)
    {
        var present = _contentOfPage[page];
        if (IsBuffer(present))
        {
            register = PageCrc32C.Copy(register, content, present);
            return true;
        }

        if (!ReferenceEquals(present, s_spilled))
        {
            if (TryPutNew(page, content, ref register))
            {
                return true;
            }
        }
        else
        {
            register = Crc32C.Update(register, content);
            if (_room.Overwrite(_slotOfPage[page], content))
            {
                return true;
            }
        }

        Volatile.Write(ref _overflowed, 1);
        return false;
    }

    public void PutZero(int page) => Mark(page, s_zero);

    /// <summary>The page was written into RAM, because there is no image to protect yet; only its number is
    /// kept.</summary>
    public void NoteInRam(int page) => Mark(page, s_inRam);

    /// <summary>
    /// The staged bytes of a page; an empty span for a page of zeros. <paramref name="scratch"/> holds one page and is
    /// what <paramref name="content"/> points to when the page was in the file.
    /// </summary>
    public StagedRead Read(int page, Span<byte> scratch, out ReadOnlySpan<byte> content)
    {
        var present = Volatile.Read(ref _contentOfPage[page]);
        content = present;
        if (present is null || ReferenceEquals(present, s_inRam))
        {
            return StagedRead.Absent;
        }

        if (!ReferenceEquals(present, s_spilled))
        {
            return StagedRead.Found;
        }

        content = scratch[..FrameLimits.PageSize];
        return _room.ReadSpilled(_slotOfPage[page], scratch[..FrameLimits.PageSize])
            ? StagedRead.Found
            : StagedRead.Failed;
    }

    /// <summary>Moves pages to the file while the room has too little memory; nobody else may be using the
    /// object.</summary>
    public void Relieve()
    {
        var cursor = 0;
        while (_room.IsOverMemory && _members.NextSet(ref cursor, out var page))
        {
            var content = _contentOfPage[page];
            if (!IsBuffer(content))
            {
                continue;
            }

            var slot = _room.Spill(content);
            if (slot < 0)
            {
                return;
            }

            _slotOfPage[page] = slot;
            _contentOfPage[page] = s_spilled;
            _room.Return(content);
        }
    }

    /// <summary>Forgets everything; nobody else may be using the object.</summary>
    public void Clear()
    {
        var cursor = 0;
        while (_members.NextSet(ref cursor, out var page))
        {
            LetGo(page, _contentOfPage[page]);
            _contentOfPage[page] = null;
        }

        _members.Clear();
        _overflowed = 0;
    }

    private static bool IsBuffer([NotNullWhen(true)] byte[]? content) => content is { Length: FrameLimits.PageSize };

    private bool TryPutNew(int page, ReadOnlySpan<byte> content, ref uint register)
    {
        if (!_room.TryEnter())
        {
            register = Crc32C.Update(register, content);
            return false;
        }

        byte[] present;
        if (_room.TryRent(out var buffer))
        {
            register = PageCrc32C.Copy(register, content, buffer);
            present = buffer;
        }
        else
        {
            register = Crc32C.Update(register, content);
            var slot = _room.Spill(content);
            if (slot < 0)
            {
                _room.Leave();
                return false;
            }

            _slotOfPage[page] = slot;
            present = s_spilled;
        }

        _members.Add(page);
        Volatile.Write(ref _contentOfPage[page], present);
        return true;
    }

    private void Mark(int page, byte[] mark)
    {
        var old = _contentOfPage[page];
        _members.Add(page);
        Volatile.Write(ref _contentOfPage[page], mark);
        LetGo(page, old);
    }

    private void LetGo(int page, byte[]? content)
    {
        if (IsBuffer(content))
        {
            _room.Return(content);
            _room.Leave();
        }
        else if (ReferenceEquals(content, s_spilled))
        {
            _room.FreeSpilled(_slotOfPage[page]);
            _room.Leave();
        }
    }
}
