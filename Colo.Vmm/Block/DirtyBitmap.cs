using System.Buffers.Binary;
using System.Numerics;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Block;

/// <summary>
/// Which parts of the disk the peer may have with other content, kept in a file together with who that peer is
/// (<see cref="Session"/>). A part is named on disk before the write that it covers (<see cref="Mark"/> and
/// <see cref="Pin"/> return after the flush); it is cleared in memory first and on disk some time later, so after any
/// crash the file names at least everything that differs. A page that was torn, a header that doesn't fit: all of it
/// counts as dirty. Layout in docs/protocol-disk.md. Any thread may call.
/// <code>
/// recording: owner alone. Changes are dirty.
/// pair:      owner with a peer. Changes are pinned until both sides have them durably.
/// following: secondary. Only the peer changes the disk; what a takeover puts back is marked and then recorded.
/// </code>
/// </summary>
public sealed class DirtyBitmap : IDisposable
{
    /// <summary>Bytes of disk that a bit stands for.</summary>
    public const int Granularity = 64 * 1024;

    internal const int PageSize = 4096;
    internal const int BitsPerPage = (PageSize - 32) * 8;
    private const int WordsPerPage = BitsPerPage / 64;
    private const uint PageMagic = 0x50424443; // "CDBP"
    private const ulong HeaderMagic = 0x50414D424F4C4F43; // "COLOBMAP"
    private const uint Version = 2;
    private const int Recording = 1;
    private const int Pair = 2;
    private const int Following = 3;

    /// <summary>Pinned parts are let go only above this many, so that who writes here and there does not wait for the
    /// medium after each flush: 64 MiB.</summary>
    private const int PinnedMin = 1024;

    private readonly IStorageFile _file;
    private readonly Lock _lock = new();
    private readonly ulong[] _bits;
    private readonly ulong[] _durable;
    private readonly ulong[] _pinned;
    private readonly byte[] _page = new byte[PageSize];
    private readonly int _aheadBits;
    private readonly bool[] _stale;
    private readonly bool[] _written;
    private long _count;
    private int _pinnedCount;
    private int _state;

    private DirtyBitmap(IStorageFile file, long diskSizeBytes, int aheadBytes)
    {
        _file = file;
        DiskSizeBytes = diskSizeBytes;
        BitCount = checked((int)((diskSizeBytes + Granularity - 1) / Granularity));
        var pages = (BitCount + BitsPerPage - 1) / BitsPerPage;
        _bits = new ulong[pages * WordsPerPage];
        _durable = new ulong[pages * WordsPerPage];
        _pinned = new ulong[pages * WordsPerPage];
        _stale = new bool[pages];
        _written = new bool[pages];
        _aheadBits = aheadBytes / Granularity;
    }

    /// <summary>Size of the disk that it describes.</summary>
    public long DiskSizeBytes { get; }

    /// <summary>Bits in all.</summary>
    public int BitCount { get; }

    /// <summary>Bits set, times their granularity.</summary>
    public long DirtyBytes => Interlocked.Read(ref _count) * Granularity;

    /// <summary>With whom the disk is in step but for the parts named here.</summary>
    public DiskSession Session { get; private set; }

    /// <summary>Whether the disk is a secondary's: nothing but its primary's writes is on it.</summary>
    public bool IsFollowing => Volatile.Read(ref _state) == Following;

    /// <summary>Opens the file of a disk, or begins one. Unless the file is whole, everything is dirty. What was pinned
    /// in an earlier life is dirty in this one. <paramref name="aheadBytes"/>: how much behind a newly dirty part is
    /// marked along, so that a sequential writer waits for the medium seldom.</summary>
    public static DirtyBitmap Open(IStorageFile file, long diskSizeBytes, int aheadBytes = 4 << 20)
    {
        var bitmap = new DirtyBitmap(file, diskSizeBytes, aheadBytes);
        bitmap.Load();
        return bitmap;
    }

    /// <summary>The peer is gone, or not there yet: from now on the file names what differs. Everything marked so
    /// far is durable when it returns.</summary>
    public BlockStatus BeginRecording()
    {
        lock (_lock)
        {
            var status = WritePages();
            return status == BlockStatus.Ok ? StoreHeader(Recording, Session) : status;
        }
    }

    /// <summary>A pair begins: both disks get every write, and what is under way is pinned. Durable when it
    /// returns.</summary>
    public BlockStatus EndRecording()
    {
        lock (_lock)
        {
            return StoreHeader(Pair, Session);
        }
    }

    /// <summary>Owner: from now on what is named here is what the peer of this session lacks. The caller has marked
    /// everything, or united both sides' names. Durable when it returns, names before the session.</summary>
    public BlockStatus Adopt(DiskSession session)
    {
        lock (_lock)
        {
            var status = WritePages();
            return status == BlockStatus.Ok ? StoreHeader(Recording, session) : status;
        }
    }

    /// <summary>Secondary: the owner of this session knows what differs; nothing is named here. Durable when it
    /// returns, the session before the names are gone.</summary>
    public BlockStatus Follow(DiskSession session)
    {
        lock (_lock)
        {
            var status = StoreHeader(Following, session);
            if (status != BlockStatus.Ok)
            {
                return status;
            }

            Array.Clear(_bits);
            Array.Clear(_pinned);
            _count = _pinnedCount = 0;
            status = WritePages();
            return status == BlockStatus.Ok ? FlushPages() : status;
        }
    }

    /// <summary>The disk is in step with nobody any more, and all of it may differ.</summary>
    public BlockStatus Forget()
    {
        lock (_lock)
        {
            SetAll();
            var status = WritePages();
            return status == BlockStatus.Ok ? StoreHeader(Recording, DiskSession.None) : status;
        }
    }

    /// <summary>Before a change of the range: its bits are set, and durable unless following, when this returns Ok.
    /// On an error the change must not be made.</summary>
    public BlockStatus Mark(long offset, long length) => Cover(offset, length, dirty: true);

    /// <summary>Before a change that goes to the peer as well: the file names it as <see cref="Mark"/> would, because
    /// a crash of this host may leave either disk without it; in memory it is not dirty.</summary>
    public BlockStatus Pin(long offset, long length) => Cover(offset, length, dirty: false);

    /// <summary>Both sides durably have everything but these parts: lets go of other pins when there are many. The
    /// file learns it with the next page that is written.</summary>
    public void Unpin(ReadOnlySpan<ulong> except)
    {
        lock (_lock)
        {
            if (_pinnedCount <= PinnedMin)
            {
                return;
            }

            _pinnedCount = 0;
            for (var word = 0; word < _pinned.Length; word++)
            {
                var kept = word < except.Length ? _pinned[word] & except[word] : 0;
                if (kept != _pinned[word])
                {
                    _pinned[word] = kept;
                    _stale[word / WordsPerPage] = true;
                }

                _pinnedCount += BitOperations.PopCount(kept);
            }
        }
    }

    /// <summary>What a crash would leave named, bit by bit from <paramref name="first"/> on, for the peer.</summary>
    public void CopyNamed(int first, Span<byte> destination)
    {
        destination.Clear();
        lock (_lock)
        {
            for (var bit = first; bit < BitCount && bit - first < destination.Length * 8; bit++)
            {
                if (IsSet(_bits, bit) || IsSet(_pinned, bit))
                {
                    destination[(bit - first) >> 3] |= (byte)(1 << ((bit - first) & 7));
                }
            }
        }
    }

    /// <summary>What the peer's bitmap names is dirty here too. In memory; <see cref="Adopt"/> makes it
    /// durable.</summary>
    public void Unite(int first, ReadOnlySpan<byte> named)
    {
        lock (_lock)
        {
            for (var bit = first; bit < BitCount && bit - first < named.Length * 8; bit++)
            {
                if ((named[(bit - first) >> 3] >> ((bit - first) & 7) & 1) != 0)
                {
                    SetBit(bit);
                }
            }
        }
    }

    /// <summary>Everything may differ: a resync compares the whole disk.</summary>
    public void MarkAll()
    {
        lock (_lock)
        {
            SetAll();
        }
    }

    /// <summary>The peer durably has this part. The file learns it with <see cref="Persist"/> or with a later mark
    /// nearby.</summary>
    public void Clear(int bit)
    {
        lock (_lock)
        {
            var mask = 1UL << (bit & 63);
            if ((_bits[bit >> 6] & mask) != 0)
            {
                _bits[bit >> 6] &= ~mask;
                _count--;
                _stale[bit / BitsPerPage] = true;
            }
        }
    }

    /// <summary>Whether this part may differ.</summary>
    public bool IsDirty(int bit)
    {
        lock (_lock)
        {
            return IsSet(_bits, bit);
        }
    }

    /// <summary>The first dirty part at or behind <paramref name="from"/>, or -1.</summary>
    public int NextDirty(int from)
    {
        lock (_lock)
        {
            for (var word = from >> 6; word < _bits.Length; word++)
            {
                var bits = _bits[word] & (word == from >> 6 ? ulong.MaxValue << (from & 63) : ulong.MaxValue);
                if (bits != 0)
                {
                    return (word << 6) + BitOperations.TrailingZeroCount(bits);
                }
            }

            return -1;
        }
    }

    /// <summary>Writes cleared bits out, so that less is compared again after a crash.</summary>
    public BlockStatus Persist()
    {
        lock (_lock)
        {
            for (var page = 0; page < _stale.Length; page++)
            {
                if (_stale[page])
                {
                    var status = WritePage(page);
                    if (status != BlockStatus.Ok)
                    {
                        return status;
                    }
                }
            }

            return FlushPages();
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private BlockStatus Cover(long offset, long length, bool dirty)
    {
        if (!BlockRange.IsValid(offset, length, DiskSizeBytes) || length == 0)
        {
            return length == 0 ? BlockStatus.Ok : BlockStatus.OutOfRange;
        }

        var first = (int)(offset / Granularity);
        var last = (int)((offset + length - 1) / Granularity);
        lock (_lock)
        {
            var durable = true;
            for (var bit = first; bit <= last; bit++)
            {
                SetBit(bit, dirty);
                durable &= IsSet(_durable, bit);
            }

            if (durable || _state == Following)
            {
                return BlockStatus.Ok;
            }

            // One wait for the medium covers what a sequential writer will ask for next.
            var ahead = (int)Math.Min(BitCount - 1L, (long)last + _aheadBits);
            for (var bit = last + 1; bit <= ahead; bit++)
            {
                SetBit(bit, dirty);
            }

            for (var page = first / BitsPerPage; page <= ahead / BitsPerPage; page++)
            {
                var status = WritePage(page);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }

            return FlushPages();
        }
    }

    private void SetAll()
    {
        for (var bit = 0; bit < BitCount; bit++)
        {
            SetBit(bit);
        }
    }

    private BlockStatus WritePages()
    {
        for (var page = 0; page < _stale.Length; page++)
        {
            var status = WritePage(page);
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    private static bool IsSet(ulong[] bits, int bit) => (bits[bit >> 6] >> (bit & 63) & 1) != 0;

    private void SetBit(int bit, bool dirty = true)
    {
        var mask = 1UL << (bit & 63);
        if (!dirty)
        {
            _pinnedCount += (_pinned[bit >> 6] & mask) == 0 ? 1 : 0;
            _pinned[bit >> 6] |= mask;
        }
        else if ((_bits[bit >> 6] & mask) == 0)
        {
            _bits[bit >> 6] |= mask;
            _count++;
        }
    }

    /// <summary>Writes one page. From now on until the flush the medium may have the old or the new page, or a torn
    /// one, which counts as all ones; so only bits that are in both count as durable.</summary>
    private BlockStatus WritePage(int page)
    {
        var from = page * WordsPerPage;
        _page.AsSpan().Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(_page, PageMagic);
        BinaryPrimitives.WriteInt32LittleEndian(_page.AsSpan(4), page);
        for (var i = 0; i < WordsPerPage; i++)
        {
            var named = _bits[from + i] | _pinned[from + i];
            _durable[from + i] &= named;
            BinaryPrimitives.WriteUInt64LittleEndian(_page.AsSpan(16 + (i * 8)), named);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(PageSize - 4), Crc32C.Compute(_page.AsSpan(0, PageSize - 4)));
        _stale[page] = true;
        var status = _file.Write(PageSize + ((long)page * PageSize), _page);
        _written[page] = status == BlockStatus.Ok;
        if (status != BlockStatus.Ok)
        {
            // No flush follows, and by the next one these pages may have other bits than in the file.
            Array.Clear(_written);
        }

        return status;
    }

    /// <summary>Makes the pages written in this critical section durable; nothing changed in them since.</summary>
    private BlockStatus FlushPages()
    {
        var status = _file.Flush();
        for (var page = 0; page < _written.Length; page++)
        {
            if (_written[page] && status == BlockStatus.Ok)
            {
                for (var i = page * WordsPerPage; i < (page + 1) * WordsPerPage; i++)
                {
                    _durable[i] = _bits[i] | _pinned[i];
                }

                _stale[page] = false;
            }

            _written[page] = false;
        }

        return status;
    }

    private void Load()
    {
        var header = new byte[PageSize];
        var valid = _file.Read(0, header) == BlockStatus.Ok
            && BinaryPrimitives.ReadUInt64LittleEndian(header) == HeaderMagic
            && BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(8)) == Version
            && BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(16)) == DiskSizeBytes
            && BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(24)) == Granularity
            && BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(508)) == Crc32C.Compute(header.AsSpan(0, 508));
        valid = valid && BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(12)) is >= Recording and <= Following;
        if (valid)
        {
            _state = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(12));
            Session = new DiskSession(
                BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(32)),
                BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(40)));
        }

        for (var page = 0; page < _stale.Length; page++)
        {
            LoadPage(page, trust: valid);
        }

        _count = 0;
        for (var bit = 0; bit < _bits.Length * 64; bit++)
        {
            if (bit >= BitCount)
            {
                _bits[bit >> 6] &= ~(1UL << (bit & 63));
            }
            else if (IsSet(_bits, bit))
            {
                _count++;
            }
        }
    }

    private void LoadPage(int page, bool trust)
    {
        var bits = _bits.AsSpan(page * WordsPerPage, WordsPerPage);
        trust = trust && _file.Read(PageSize + ((long)page * PageSize), _page) == BlockStatus.Ok
            && BinaryPrimitives.ReadUInt32LittleEndian(_page) == PageMagic
            && BinaryPrimitives.ReadInt32LittleEndian(_page.AsSpan(4)) == page
            && BinaryPrimitives.ReadUInt32LittleEndian(_page.AsSpan(PageSize - 4))
                == Crc32C.Compute(_page.AsSpan(0, PageSize - 4));
        if (!trust)
        {
            // Not in the file: durable bits stay 0, so the next mark writes the page.
            bits.Fill(ulong.MaxValue);
            _stale[page] = true;
            return;
        }

        for (var i = 0; i < WordsPerPage; i++)
        {
            bits[i] = BinaryPrimitives.ReadUInt64LittleEndian(_page.AsSpan(16 + (i * 8)));
        }

        bits.CopyTo(_durable.AsSpan(page * WordsPerPage));
    }

    private BlockStatus StoreHeader(int state, DiskSession session)
    {
        // First the pages, then the word that makes them count.
        var status = FlushPages();
        if (status != BlockStatus.Ok)
        {
            return status;
        }

        _page.AsSpan().Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(_page, HeaderMagic);
        BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(12), (uint)state);
        BinaryPrimitives.WriteInt64LittleEndian(_page.AsSpan(16), DiskSizeBytes);
        BinaryPrimitives.WriteInt32LittleEndian(_page.AsSpan(24), Granularity);
        BinaryPrimitives.WriteUInt64LittleEndian(_page.AsSpan(32), session.Term);
        BinaryPrimitives.WriteUInt64LittleEndian(_page.AsSpan(40), session.Number);
        BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(508), Crc32C.Compute(_page.AsSpan(0, 508)));
        status = _file.Write(0, _page);
        if (status == BlockStatus.Ok)
        {
            status = _file.Flush();
        }

        if (status == BlockStatus.Ok)
        {
            Volatile.Write(ref _state, state);
            Session = session;
        }

        return status;
    }
}
