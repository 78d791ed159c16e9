namespace Colo.Vmm.Block;

/// <summary>
/// 4-KiB slots for kept sectors: the first ones in memory, the others in the buffer file. Slot i has the place
/// <see cref="DataOffset"/> + 4096 i in the file even when it lives in memory; the merge journal writes it there.
/// Allocation is thread-safe. Slots come out in ascending order after a reset, so neighbours can be read in one call.
/// </summary>
internal sealed class SlotStore
{
    public const int SlotSize = 4096;
    public const long DataOffset = 64 * 1024;
    // 4 MiB: large enough that the slots of one large write are mostly in one piece.
    private const int SlotsPerChunkShift = 10;
    private const int SlotsPerChunk = 1 << SlotsPerChunkShift;

    private readonly Lock _lock = new();
    private readonly IStorageFile _file;
    private readonly byte[]?[] _chunks;
    private readonly int _memorySlots;
    private int[] _free = new int[1024];
    private int _freeCount;
    private int _next;

    public SlotStore(IStorageFile file, long memoryBytes, long capacityBytes)
    {
        _file = file;
        Count = checked((int)(capacityBytes / SlotSize));
        _memorySlots = (int)Math.Min(Count, memoryBytes / SlotSize);
        _chunks = new byte[]?[(_memorySlots + SlotsPerChunk - 1) >> SlotsPerChunkShift];
    }

    /// <summary>Slots in all.</summary>
    public int Count { get; }

    /// <summary>Slots taken.</summary>
    public int Used => Volatile.Read(ref _used);

    private int _used;

    /// <summary>Every slot taken since the store was last empty is below this one.</summary>
    public int HighWater
    {
        get
        {
            lock (_lock)
            {
                return _next;
            }
        }
    }

    public bool IsInMemory(int slot) => slot < _memorySlots;

    public static long FileOffset(int slot) => DataOffset + ((long)slot * SlotSize);

    /// <summary>Takes a slot, or -1 when none is left.</summary>
    public int Allocate()
    {
        lock (_lock)
        {
            if (_freeCount == 0 && _next >= Count)
            {
                return -1;
            }

            // Numbers not used yet come last: a slot in memory that was freed is better than a new one in the file.
            var slot = _freeCount > 0 ? _free[--_freeCount] : _next++;
            _used++;
            if (slot < _memorySlots)
            {
                var chunk = slot >> SlotsPerChunkShift;
                var slots = Math.Min(SlotsPerChunk, _memorySlots - (chunk << SlotsPerChunkShift));
                _chunks[chunk] ??= GC.AllocateUninitializedArray<byte>(slots * SlotSize, pinned: true);
            }

            return slot;
        }
    }

    /// <summary>Keeps the next places in the file free of slots: the merge journal's index is there.</summary>
    public void Reserve(int count)
    {
        lock (_lock)
        {
            _next = Math.Min(Count, _next + count);
        }
    }

    public void Free(int slot)
    {
        lock (_lock)
        {
            if (_freeCount == _free.Length)
            {
                Array.Resize(ref _free, _free.Length * 2);
            }

            _free[_freeCount++] = slot;
            _used--;
            if (_used == 0)
            {
                // Everything is free: start again from the front, in order.
                _freeCount = 0;
                _next = 0;
            }
        }
    }

    /// <summary>The memory of <paramref name="count"/> slots in a row; false when they are in the file or not in
    /// one piece.</summary>
    public bool TryGetMemory(int slot, int count, out Span<byte> memory)
    {
        if (slot + count > _memorySlots || (slot & (SlotsPerChunk - 1)) + count > SlotsPerChunk)
        {
            memory = default;
            return false;
        }

        memory = _chunks[slot >> SlotsPerChunkShift].AsSpan((slot & (SlotsPerChunk - 1)) * SlotSize, count * SlotSize);
        return true;
    }

    public BlockStatus Read(int slot, int at, Span<byte> destination)
    {
        if (TryGetMemory(slot, 1, out var memory))
        {
            memory.Slice(at, destination.Length).CopyTo(destination);
            return BlockStatus.Ok;
        }

        return _file.Read(FileOffset(slot) + at, destination);
    }

    public BlockStatus Write(int slot, int at, ReadOnlySpan<byte> source)
    {
        if (TryGetMemory(slot, 1, out var memory))
        {
            source.CopyTo(memory[at..]);
            return BlockStatus.Ok;
        }

        return _file.Write(FileOffset(slot) + at, source);
    }
}
