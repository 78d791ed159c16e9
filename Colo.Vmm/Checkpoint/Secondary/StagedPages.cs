using System.Diagnostics.CodeAnalysis;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// The pages received for one checkpoint and not yet in the guest's RAM; the last version of a page replaces the one
/// before. Channels may put pages at the same time as long as each page has one channel.
/// </summary>
internal sealed class StagedPages
{
    // Marks in the table; compared by reference.
    private static readonly byte[] s_zero = [];
    private static readonly byte[] s_inRam = new byte[1];

    private readonly StagingRoom _room;
    private readonly byte[]?[] _contentOfPage;
    private readonly DirtyPages _members;
    private long _count;
    private long _setDigest;
    private int _overflowed;

    public StagedPages(int pageCount, StagingRoom room)
    {
        _room = room;
        _contentOfPage = new byte[]?[pageCount];
        _members = new DirtyPages(pageCount);
    }

    /// <summary>Different pages staged.</summary>
    public int Count => (int)Volatile.Read(ref _count);

    /// <summary>Sum of <see cref="PageHash.OfNumber"/> over them.</summary>
    public ulong SetDigest => (ulong)Volatile.Read(ref _setDigest);

    /// <summary>A page did not fit: the checkpoint cannot become whole.</summary>
    public bool Overflowed => Volatile.Read(ref _overflowed) != 0;

    public DirtyPages Members => _members;

    public bool Contains(int page) => Volatile.Read(ref _contentOfPage[page]) is not null;

    public bool TryPut(int page, ReadOnlySpan<byte> content)
    {
        var buffer = _contentOfPage[page];
        if (!IsBuffer(buffer))
        {
            if (!_room.TryRent(out buffer))
            {
                Volatile.Write(ref _overflowed, 1);
                return false;
            }

            NoteMember(page);
        }

        content.CopyTo(buffer);
        Volatile.Write(ref _contentOfPage[page], buffer);
        return true;
    }

    public void PutZero(int page) => Mark(page, s_zero);

    /// <summary>The page was written into RAM, because there is no image to protect yet; only its number is kept.</summary>
    public void NoteInRam(int page) => Mark(page, s_inRam);

    /// <summary>
    /// The staged bytes of a page; an empty span for a page of zeros. False when it is not staged, or is in RAM already.
    /// </summary>
    public bool TryGet(int page, out ReadOnlySpan<byte> content)
    {
        var buffer = Volatile.Read(ref _contentOfPage[page]);
        content = buffer;
        return buffer is not null && !ReferenceEquals(buffer, s_inRam);
    }

    /// <summary>Forgets everything; nobody else may be using the object.</summary>
    public void Clear()
    {
        var cursor = 0;
        while (_members.NextSet(ref cursor, out var page))
        {
            if (IsBuffer(_contentOfPage[page]))
            {
                _room.Return(_contentOfPage[page]!);
            }

            _contentOfPage[page] = null;
        }

        _members.Clear();
        _count = 0;
        _setDigest = 0;
        _overflowed = 0;
    }

    private static bool IsBuffer([NotNullWhen(true)] byte[]? content) => content is { Length: FrameLimits.PageSize };

    private void Mark(int page, byte[] mark)
    {
        var old = _contentOfPage[page];
        NoteMember(page);
        Volatile.Write(ref _contentOfPage[page], mark);
        if (IsBuffer(old))
        {
            _room.Return(old);
        }
    }

    private void NoteMember(int page)
    {
        if (_contentOfPage[page] is null)
        {
            _members.Mark(page);
            Interlocked.Increment(ref _count);
            Interlocked.Add(ref _setDigest, unchecked((long)PageHash.OfNumber(page)));
        }
    }
}
