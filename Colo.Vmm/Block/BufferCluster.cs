using System.Runtime.CompilerServices;

namespace Colo.Vmm.Block;

/// <summary>What a generation holds of one 64-KiB cluster: which of its 128 sectors, which of them are zeroes
/// (these need no slot), and the slot of each 4-KiB page.</summary>
internal sealed class BufferCluster
{
    public const int Size = 64 * 1024;
    public const int Sectors = Size / BlockRange.SectorSize;
    public const int Pages = Size / SlotStore.SlotSize;
    public const int SectorsPerPage = Sectors / Pages;

    private PageSlots _slots;

    public BufferCluster() => Reset(0);

    public long Index { get; private set; }

    /// <summary>Sectors held.</summary>
    public UInt128 Present { get; set; }

    /// <summary>Sectors held that are all zeroes; a subset of <see cref="Present"/>, wins over the slot.</summary>
    public UInt128 Zero { get; set; }

    public int this[int page]
    {
        get => _slots[page];
        set => _slots[page] = value;
    }

    public static UInt128 Mask(int firstSector, int count) =>
        (count == Sectors ? UInt128.MaxValue : (UInt128.One << count) - 1) << firstSector;

    public void Reset(long index)
    {
        Index = index;
        Present = default;
        Zero = default;
        ((Span<int>)_slots).Fill(-1);
    }

    [InlineArray(Pages)]
    private struct PageSlots
    {
        private int _first;
    }
}
