using System.Buffers.Binary;
using System.Numerics;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Block;

/// <summary>
/// Which parts of the disk the peer may have with other content, kept in a file. A bit is on disk before the write
/// that it covers (<see cref="Mark"/> returns after the flush); it is cleared in memory first and on disk some time
/// later, so after any crash the file names at least everything that differs. A page that was torn, a header that
/// doesn't fit, a file that says a pair was running: all of it counts as dirty. Layout in docs/protocol-disk.md.
/// Any thread may call.
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
    private const uint Version = 1;

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
    private bool _recording;

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

    /// <summary>Opens the file of a disk, or begins one. Unless the file is whole and says that it was recording,
    /// everything is dirty. <paramref name="aheadBytes"/>: how much behind a newly dirty part is marked along, so
    /// that a sequential writer waits for the medium seldom.</summary>
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
            for (var page = 0; page < _stale.Length; page++)
            {
                var status = WritePage(page);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }

            return StoreHeader(recording: true);
        }
    }

    /// <summary>A pair begins: both disks get every write and nothing is recorded; from now on a crash means that
    /// anything may differ. Durable when it returns.</summary>
    public BlockStatus EndRecording()
    {
        lock (_lock)
        {
            var status = StoreHeader(recording: false);
            if (status == BlockStatus.Ok)
            {
                Array.Clear(_pinned);
            }

            return status;
        }
    }

    /// <summary>Before a change of the range: its bits are set, and durable while recording, when this returns Ok.
    /// On an error the change must not be made.</summary>
    public BlockStatus Mark(long offset, long length) => Cover(offset, length, dirty: true);

    /// <summary>Before a change that goes to the peer as well, during a resync: the file names it as
    /// <see cref="Mark"/> would, because a crash of this host may leave either disk without it; in memory it is not
    /// dirty.</summary>
    public BlockStatus Pin(long offset, long length) => Cover(offset, length, dirty: false);

    /// <summary>Whether the file is recording, so that changes have to be marked or pinned.</summary>
    public bool IsRecording => Volatile.Read(ref _recording);

    /// <summary>Everything may differ: a resync compares the whole disk.</summary>
    public void MarkAll()
    {
        lock (_lock)
        {
            for (var bit = 0; bit < BitCount; bit++)
            {
                SetBit(bit);
            }
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

            if (durable || !_recording)
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

    private static bool IsSet(ulong[] bits, int bit) => (bits[bit >> 6] >> (bit & 63) & 1) != 0;

    private void SetBit(int bit, bool dirty = true)
    {
        var mask = 1UL << (bit & 63);
        if (!dirty)
        {
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
        _recording = valid && BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(12)) == 1;
        for (var page = 0; page < _stale.Length; page++)
        {
            LoadPage(page, trust: _recording);
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

    private BlockStatus StoreHeader(bool recording)
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
        BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(12), recording ? 1u : 2u);
        BinaryPrimitives.WriteInt64LittleEndian(_page.AsSpan(16), DiskSizeBytes);
        BinaryPrimitives.WriteInt32LittleEndian(_page.AsSpan(24), Granularity);
        BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(508), Crc32C.Compute(_page.AsSpan(0, 508)));
        status = _file.Write(0, _page);
        if (status == BlockStatus.Ok)
        {
            status = _file.Flush();
        }

        if (status == BlockStatus.Ok)
        {
            _recording = recording;
        }

        return status;
    }
}
