using System.Diagnostics.CodeAnalysis;
using Colo.Vmm.Block;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// Room for staged pages, up to a bound. The buffers are the ones in which the machine keeps older versions of written
/// pages: staging a page lets go of its older version, so the two together need no more than the larger of them where
/// both guests write the same pages. Where they do not, the running state, the image and the next image differ in both
/// sets, and what is above the bound of memory goes to the spill file.
/// </summary>
internal sealed class StagingRoom : IDisposable
{
    private readonly SavedPagePool _pool;
    private readonly int _memoryPages;
    private readonly IStorageFile? _file;
    private readonly SlotStore? _slots;
    private int _inUse;

    /// <param name="pool">The machine's buffers.</param>
    /// <param name="capacityPages">Most pages staged, in memory and in the file.</param>
    /// <param name="memoryPages">Most buffers, for staged pages and older versions together; without a file not a
    /// bound.</param>
    /// <param name="file">The spill file, which belongs to the room; null: none.</param>
    public StagingRoom(SavedPagePool pool, int capacityPages, int memoryPages, IStorageFile? file)
    {
        _pool = pool;
        Capacity = capacityPages;
        _memoryPages = memoryPages;
        _file = file;
        _slots = file is null ? null : new SlotStore(file, 0, (long)capacityPages * SlotStore.SlotSize);
    }

    public int Capacity { get; }

    public int InUse => Volatile.Read(ref _inUse);

    public bool HasFile => _slots is not null;

    public int PagesInFile => _slots?.Used ?? 0;

    /// <summary>The guest's older versions have grown into the memory of staged pages.</summary>
    public bool IsOverMemory => _slots is not null && _pool.RentedCount > _memoryPages;

    /// <summary>One more page; false at the bound. Any thread.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _inUse) <= Capacity)
        {
            return true;
        }

        Leave();
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _inUse);

    /// <summary>A buffer for a page that has entered; false when it has to go to the file.</summary>
    public bool TryRent([NotNullWhen(true)] out byte[]? page)
    {
        if (_slots is not null)
        {
            return _pool.TryRent(_memoryPages, out page);
        }

        page = _pool.Rent();
        return true;
    }

    public void Return(byte[] page) => _pool.Return(page);

    /// <summary>Writes a page that has entered into the file; -1 when that fails.</summary>
    public int Spill(ReadOnlySpan<byte> content)
    {
        var slot = _slots?.Allocate() ?? -1;
        if (slot >= 0 && !Overwrite(slot, content))
        {
            _slots!.Free(slot);
            return -1;
        }

        return slot;
    }

    public bool Overwrite(int slot, ReadOnlySpan<byte> content) => _slots!.Write(slot, 0, content) == BlockStatus.Ok;

    public bool ReadSpilled(int slot, Span<byte> content) => _slots!.Read(slot, 0, content) == BlockStatus.Ok;

    public void FreeSpilled(int slot) => _slots!.Free(slot);

    public void Dispose() => _file?.Dispose();
}
