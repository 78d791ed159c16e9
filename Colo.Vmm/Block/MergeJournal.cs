using System.Buffers.Binary;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Block;

/// <summary>
/// The list of kept 4-KiB pages that a takeover writes back, in the buffer file after the slots. Pages of 4 KiB:
/// magic u32, count u32, page number u64, 169 entries of 24 bytes, padding, CRC-32C at 4092. It is complete and
/// durable before the header says Merging, and nothing in it changes until the header says Merged, so the merge can
/// run any number of times (S11).
/// </summary>
internal sealed class MergeJournal(IStorageFile file, long indexOffset)
{
    public const int EntriesPerPage = 169;
    private const int PageSize = 4096;
    private const int EntrySize = 24;
    private const uint Magic = 0x49424443; // "CDBI"
    private readonly byte[] _page = new byte[PageSize];
    private long _pageNumber;
    private int _inPage;

    /// <summary>Entries added so far.</summary>
    public long EntryCount { get; private set; }

    /// <summary>Adds one page; <paramref name="slot"/> is -1 when all its kept sectors are zeroes.</summary>
    public BlockStatus Add(long diskPage, int slot, byte present, byte zero, uint crc)
    {
        var entry = _page.AsSpan(16 + (_inPage * EntrySize), EntrySize);
        entry.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(entry, diskPage);
        BinaryPrimitives.WriteInt32LittleEndian(entry[8..], slot);
        entry[12] = present;
        entry[13] = zero;
        BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], crc);
        EntryCount++;
        return ++_inPage == EntriesPerPage ? WritePage() : BlockStatus.Ok;
    }

    /// <summary>Writes the last page; the caller flushes.</summary>
    public BlockStatus Finish() => _inPage > 0 ? WritePage() : BlockStatus.Ok;

    /// <summary>Writes every listed sector to the disk. Nothing is written when anything of the list is
    /// damaged.</summary>
    public static BlockStatus Replay(IStorageFile file, DiskBufferHeader header, IStorageFile disk)
    {
        var status = ForEach(file, header, null);
        return status == BlockStatus.Ok ? ForEach(file, header, disk) : status;
    }

    private static BlockStatus ForEach(IStorageFile file, DiskBufferHeader header, IStorageFile? disk)
    {
        var page = new byte[PageSize];
        var data = new byte[SlotStore.SlotSize];
        var left = header.EntryCount;
        for (long number = 0; left > 0; number++)
        {
            if (file.Read(header.IndexOffset + (number * PageSize), page) != BlockStatus.Ok
                || BinaryPrimitives.ReadUInt32LittleEndian(page) != Magic
                || BinaryPrimitives.ReadInt64LittleEndian(page.AsSpan(8)) != number
                || BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(4092)) != Crc32C.Compute(page.AsSpan(0, 4092)))
            {
                return BlockStatus.IoError;
            }

            var count = BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(4));
            if (count is 0 or > EntriesPerPage || count > left)
            {
                return BlockStatus.IoError;
            }

            for (var i = 0; i < count; i++)
            {
                var status = ReplayEntry(file, header, disk, page.AsSpan(16 + (i * EntrySize), EntrySize), data);
                if (status != BlockStatus.Ok)
                {
                    return status;
                }
            }

            left -= count;
        }

        return BlockStatus.Ok;
    }

    private static BlockStatus ReplayEntry(
        IStorageFile file, DiskBufferHeader header, IStorageFile? disk, ReadOnlySpan<byte> entry, byte[] data)
    {
        var diskPage = BinaryPrimitives.ReadInt64LittleEndian(entry);
        var slot = BinaryPrimitives.ReadInt32LittleEndian(entry[8..]);
        byte present = entry[12], zero = entry[13];
        if (diskPage < 0 || diskPage > header.DiskSizeBytes / SlotStore.SlotSize || slot < -1)
        {
            return BlockStatus.IoError;
        }

        if (slot >= 0)
        {
            var status = file.Read(SlotStore.FileOffset(slot), data);
            if (status != BlockStatus.Ok || Crc32C.Compute(data) != BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]))
            {
                return BlockStatus.IoError;
            }
        }

        for (var sector = 0; disk is not null && sector < BufferCluster.SectorsPerPage; sector++)
        {
            if ((present >> sector & 1) == 0)
            {
                continue;
            }

            var bytes = data.AsSpan(sector * BlockRange.SectorSize, BlockRange.SectorSize);
            if ((zero >> sector & 1) != 0)
            {
                bytes.Clear();
            }

            var status = disk.Write((diskPage * SlotStore.SlotSize) + (sector * BlockRange.SectorSize), bytes);
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    private BlockStatus WritePage()
    {
        _page.AsSpan(16 + (_inPage * EntrySize)).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(_page, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(_page.AsSpan(4), _inPage);
        BinaryPrimitives.WriteInt64LittleEndian(_page.AsSpan(8), _pageNumber);
        BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(4092), Crc32C.Compute(_page.AsSpan(0, 4092)));
        var status = file.Write(indexOffset + (_pageNumber * PageSize), _page);
        _pageNumber++;
        _inPage = 0;
        return status;
    }
}
