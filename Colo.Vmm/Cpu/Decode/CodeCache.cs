using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// Decoded blocks by physical address, and the jump cache in front of them by virtual address. A page that holds
/// decoded code has no write entry in any TLB, so a store to it comes here first; blocks of a page are dropped
/// together, at a block boundary.
/// </summary>
internal sealed unsafe class CodeCache : IDisposable
{
    private const int BucketCount = 1 << 16;

    /// <summary>As many as there are jump entries: pages that share a bit share their entries too.</summary>
    private const int JumpPageCount = JumpEntry.Count;

    /// <summary>Entries that a page's instructions can have, one behind another: one for each halfword.</summary>
    private const int JumpsOfPage = (int)GuestRam.PageSize / 2;

    /// <summary>
    /// After this many drops a page counts as mixing code and data: stores to it stay slow and drop its code only when
    /// they hit decoded bytes.
    /// </summary>
    private const int MixedAfterDrops = 4;

    /// <summary>A drop that comes later than this after the one before it, in instructions, starts a new
    /// count.</summary>
    private const ulong DropMemory = 100_000_000;

    private static readonly nint NothingCompiled = (nint)(delegate*<HartContext*, int, void>)&Leave;

    private readonly GuestRam _ram;
    private readonly Mmu _mmu;
    private readonly IRamClient _owner;
    private readonly BlockBuilder _builder;
    private readonly CodeArena _arena;
    private readonly BlockWarmth _warmth = new();
    private readonly ConcurrentQueue<int> _written = new();

    /// <summary>Virtual pages, by some bits of their number, that may have an entry in the jump cache.</summary>
    private readonly ulong[] _jumpPages = new ulong[JumpPageCount / 64];
    private JumpEntry* _jumps;
    private CodeBlock** _buckets;
    private CodePage** _pages;

    public CodeCache(GuestRam ram, Mmu mmu, IRamClient owner, int bytesMax)
    {
        _arena = new CodeArena(bytesMax);
        _owner = owner;
        _ram = ram;
        _mmu = mmu;
        _builder = new BlockBuilder(ram);
        _jumps = (JumpEntry*)NativeMemory.AlignedAlloc(JumpEntry.Count * (nuint)sizeof(JumpEntry), 64);
        _buckets = (CodeBlock**)NativeMemory.AllocZeroed(BucketCount, (nuint)sizeof(nint));
        _pages = (CodePage**)NativeMemory.AllocZeroed((nuint)ram.PageCount, (nuint)sizeof(nint));
        _mmu.Context->Jumps = _jumps;
        ClearJumps();
    }

    ~CodeCache() => Free();

    /// <summary>Increased whenever blocks were freed: a block found before is not valid any more.</summary>
    public int DropCount { get; private set; }

    /// <summary>How often the oldest blocks were given up to make room.</summary>
    public int Evictions { get; private set; }

    /// <summary>Told before a page's blocks are freed; null when nothing is compiled.</summary>
    public ICodeTier? Tier { get; set; }

    /// <summary>Executions of a block before <see cref="Tier"/> is asked.</summary>
    public int HeatThreshold { get; set; } = int.MaxValue;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>The block at an address, if it was found there before and no translation has changed since.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public CodeBlock* Probe(ulong key)
    {
        JumpEntry* entry = Jump(key);
        return entry->Key == key ? entry->Block : null;
    }

    /// <summary>Lets compiled code that jumps to where the hart stands go on in the region that starts there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Chain(ulong key, CodeBlock* block, nint compiled, int entryNumber)
    {
        JumpEntry* entry = Jump(key);
        if (entry->Key == key && entry->Block == block)
        {
            entry->Code = compiled;
            entry->Entry = entryNumber;
        }
    }

    /// <summary>Finds or decodes the block at pc. Null when the fetch faults: cause and value are in the MMU.</summary>
    public CodeBlock* Find(ulong pc)
    {
        while (true)
        {
            // To decode may mean to wait for another hart, and to do meanwhile what others ask for: then nothing that
            // was translated or found before is valid any more.
            int fences = _mmu.Context->FencesDone;
            CodeBlock* block = FindOnce(pc);
            if (fences == _mmu.Context->FencesDone)
            {
                if (block != null && block->SecondPage < 0 && block->Linkable)
                {
                    ulong key = pc ^ _mmu.Context->ModeKey;
                    JumpEntry* entry = Jump(key);
                    entry->Key = key;
                    entry->Block = block;
                    entry->Code = NothingCompiled;
                    ulong jumpPage = JumpPage(pc);
                    _jumpPages[jumpPage >> 6] |= 1UL << (int)(jumpPage & 63);
                }

                return block;
            }
        }
    }

    private CodeBlock* FindOnce(ulong pc)
    {
        byte* host = _mmu.FetchPage(pc);
        if (host == null)
        {
            return null;
        }

        if (_mmu.FetchIsPartial)
        {
            return BuildStep(pc);
        }

        int page = (int)((ulong)(host - _ram.Host) >> GuestRam.PageShift);
        int offset = (int)(pc & (GuestRam.PageSize - 1));
        CodeBlock* block = Lookup(page, offset);
        if (block != null && block->SecondPage >= 0)
        {
            block = CheckCrossing(block, pc);
        }

        return block == null ? Build(pc, page, offset) : block;
    }

    /// <summary>Decodes the one instruction at pc into a block of its own that is used once. Null on a fetch
    /// fault.</summary>
    public CodeBlock* BuildStep(ulong pc)
    {
        byte* host = _mmu.FetchPage(pc);
        if (host == null)
        {
            return null;
        }

        int page = (int)((ulong)(host - _ram.Host) >> GuestRam.PageShift);
        int offset = (int)(pc & (GuestRam.PageSize - 1));
        return TryDecode(pc, page, offset, 1) ? _builder.Scratch(page, offset) : null;
    }

    public void FlushJumps()
    {
        if (!_mmu.RenewKeys(all: true))
        {
            ClearJumps();
        }
    }

    /// <summary>Forgets what was found through pages of the present address space; global ones stay.</summary>
    public void AddressSpaceChanged()
    {
        if (!_mmu.RenewKeys(all: !_mmu.FlushAddressSpace()))
        {
            ClearJumps();
        }
    }

    /// <summary>sfence.vma for one address: forgets what was found through that page, in whatever mode.</summary>
    public void FlushJumps(ulong address)
    {
        ulong jumpPage = JumpPage(address);
        if ((_jumpPages[jumpPage >> 6] >> (int)(jumpPage & 63) & 1) == 0)
        {
            return;
        }

        _jumpPages[jumpPage >> 6] &= ~(1UL << (int)(jumpPage & 63));
        JumpEntry* first = _jumps + (Jump(address) - _jumps & ~(JumpsOfPage - 1L));
        for (JumpEntry* entry = first; entry < first + JumpsOfPage; entry++)
        {
            if (JumpPage(entry->Key) == jumpPage)
            {
                entry->Key = ulong.MaxValue;
            }
        }
    }

    /// <summary>Notes that a page's code is stale. Any thread; done by <see cref="DropWritten"/>.</summary>
    public void NoteWritten(int page) => _written.Enqueue(page);

    /// <summary>Makes the hart look at what was noted or finished for it. Any thread.</summary>
    public void Attend() => Interlocked.Or(ref _mmu.Context->Pending, HartContext.PendingCode);

    /// <summary>Drops the code of all pages noted. On the hart's thread, between blocks.</summary>
    public void DropWritten()
    {
        while (_written.TryDequeue(out int page))
        {
            DropPage(page);
        }
    }

    /// <summary>
    /// The hart is about to store to a page with decoded code. Drops the code or, on a page that was dropped often,
    /// only if decoded bytes are hit. True when the page keeps code and so must stay slow to write.
    /// </summary>
    public bool PrepareStore(int page, int offset, int size)
    {
        CodePage* info = _pages[page];
        if (info != null && info->Drops >= MixedAfterDrops && !_ram.HasOtherClients)
        {
            int last = Math.Min(offset + size - 1, GuestRam.PageSize - 1) >> 1;
            bool hit = false;
            for (int half = offset >> 1; half <= last; half++)
            {
                hit |= (info->Decoded[half >> 6] >> (half & 63) & 1) != 0;
            }

            if (!hit)
            {
                return true;
            }
        }

        _ram.DropCode(page);
        return false;
    }

    /// <summary>How often the page's code was dropped in short order.</summary>
    public int Drops(int page) => _pages[page] == null ? 0 : _pages[page]->Drops;

    /// <summary>Notes that something was made of these bytes of a page that holds code: a store to them must drop
    /// it.</summary>
    public void MarkDecoded(int page, int offset, int length)
    {
        CodePage* info = _pages[page];
        for (int half = offset >> 1; half < Math.Min(offset + length, GuestRam.PageSize) >> 1; half++)
        {
            info->Decoded[half >> 6] |= 1UL << (half & 63);
        }
    }

    /// <summary>Generation of a page's code, for a tier that compiles from a copy of its bytes.</summary>
    public int Generation(int page) => _pages[page] == null ? 0 : _pages[page]->Generation;

    /// <summary>Offsets of the page's blocks that were executed at least so many times, and how many times, up to
    /// <see cref="HeatThreshold"/>.</summary>
    public Dictionary<int, int> WarmBlocks(int page, int executions)
    {
        Dictionary<int, int> warm = [];
        for (CodeBlock* block = _pages[page]->First; block != null; block = block->NextInPage)
        {
            int executed = block->Heat > HeatThreshold ? HeatThreshold : HeatThreshold - block->Heat;
            if (executed >= executions)
            {
                warm[block->Offset] = executed;
            }
        }

        return warm;
    }

    /// <summary>The block that starts at a physical address, if it is decoded.</summary>
    public CodeBlock* Lookup(int page, int offset)
    {
        CodeBlock* block = _buckets[Bucket(page, offset)];
        while (block != null && (block->Page != page || block->Offset != offset))
        {
            block = block->NextInBucket;
        }

        return block;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private JumpEntry* Jump(ulong key) => _jumps + ((key >> 1 ^ key >> 12) & (JumpEntry.Count - 1));

    /// <summary>Low bits of the virtual page number: what <see cref="_jumpPages"/> has a bit for.</summary>
    private static ulong JumpPage(ulong address) => address >> 12 & (JumpPageCount - 1);

    private void ClearJumps()
    {
        for (int i = 0; i < JumpEntry.Count; i++)
        {
            _jumps[i] = new JumpEntry { Key = ulong.MaxValue, Code = NothingCompiled };
        }

        Array.Clear(_jumpPages);
    }

    /// <summary>What compiled code jumps to where no region starts: back to the dispatch loop.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Leave(HartContext* context, int entry)
    {
    }

    private static int Bucket(int page, int offset) =>
        (int)((uint)page * 0x9e3779b1u >> 16 ^ (uint)offset >> 1) & (BucketCount - 1);

    private CodeBlock* Build(ulong pc, int page, int offset)
    {
        int fences;
        do
        {
            // Before the bytes are read: from now on no store to the page goes unnoticed. A notice that was dealt with
            // while this waited for another hart may have been of a store that comes after the bytes were read: then
            // once more.
            fences = _mmu.Context->FencesDone;
            MarkCode(page);
            if (!TryDecode(pc, page, offset, CodeBlock.CountMax))
            {
                return null;
            }
        }
        while (fences != _mmu.Context->FencesDone);

        byte* memory = _arena.Allocate(_builder.SizeBytes);
        if (memory == null)
        {
            EvictOldest();
            memory = _arena.Allocate(_builder.SizeBytes);
        }

        CodeBlock* block = _builder.Finish(memory, page, offset);
        block->Heat = _warmth.Recall(page, offset, HeatThreshold);
        block->DropCount = DropCount;
        block->Linkable = block->SecondPage < 0;
        Register(block);
        Tier?.BlockDecoded(block);
        return block;
    }

    /// <summary>Decodes; false when the second half of a crossing instruction cannot be fetched.</summary>
    private bool TryDecode(ulong pc, int page, int offset, int countMax)
    {
        if (_builder.Decode(page, offset, countMax))
        {
            return true;
        }

        byte* second = _mmu.FetchPage((pc & ~0xfffUL) + GuestRam.PageSize);
        if (second == null)
        {
            return false;
        }

        int secondPage = (int)((ulong)(second - _ram.Host) >> GuestRam.PageShift);
        MarkCode(secondPage);
        _builder.DecodeCrossing(page, secondPage);
        return true;
    }

    /// <summary>
    /// A crossing instruction is valid as long as nothing was dropped since it was decoded and the second page is still
    /// mapped to the same place.
    /// </summary>
    private CodeBlock* CheckCrossing(CodeBlock* block, ulong pc)
    {
        byte* second = _mmu.FetchPage((pc & ~0xfffUL) + GuestRam.PageSize);
        if (second == null)
        {
            // Decoding again will meet the same fault and report it.
            return null;
        }

        int page = (int)((ulong)(second - _ram.Host) >> GuestRam.PageShift);
        if (page == block->SecondPage && block->DropCount == DropCount)
        {
            return block;
        }

        int fences = _mmu.Context->FencesDone;
        MarkCode(page);
        if (fences != _mmu.Context->FencesDone)
        {
            // The block may be gone.
            return null;
        }

        _builder.DecodeCrossing(block->Page, page);
        int region = block->Region;
        CodeBlock* next = block->NextInPage;
        CodeBlock* bucket = block->NextInBucket;
        block = _builder.Finish((byte*)block, block->Page, block->Offset);
        block->NextInPage = next;
        block->NextInBucket = bucket;
        block->Region = region;
        block->Heat = HeatThreshold;
        block->DropCount = DropCount;
        return block;
    }

    private void Register(CodeBlock* block)
    {
        CodePage* info = _pages[block->Page];
        MarkDecoded(block->Page, block->Offset, block->Length);
        if (block->SecondPage >= 0)
        {
            _pages[block->SecondPage]->Decoded[0] |= 1;
        }

        block->NextInPage = info->First;
        info->First = block;
        CodeBlock** bucket = _buckets + Bucket(block->Page, block->Offset);
        block->NextInBucket = *bucket;
        *bucket = block;
    }

    private void MarkCode(int page)
    {
        if (_pages[page] == null)
        {
            _pages[page] = (CodePage*)NativeMemory.AllocZeroed((nuint)sizeof(CodePage));
        }

        _ram.MarkCodePage(page, _owner);
    }

    private void DropPage(int page)
    {
        CodePage* info = _pages[page];
        if (info == null)
        {
            return;
        }

        for (CodeBlock* block = info->First; block != null; block = block->NextInPage)
        {
            Unlink(block);
        }

        ulong now = _mmu.Context->InstructionsRetired;
        info->Drops = now - info->LastDrop > DropMemory ? 1 : info->Drops + 1;
        info->LastDrop = now;
        ClearPage(page);
        FlushJumps();
        DropCount++;
        Tier?.PageDropped(page);
    }

    /// <summary>
    /// Makes room in the arena. Other blocks of the pages concerned stay and forget their links to those given up. The
    /// pages stay marked as code, so that what was compiled of them is still valid.
    /// </summary>
    private void EvictOldest()
    {
        Evictions++;
        byte* piece = _arena.GiveUpOldest(out byte* end);
        for (byte* at = piece; at < end; at += ((CodeBlock*)at)->SizeBytes)
        {
            CodePage* info = _pages[((CodeBlock*)at)->Page];
            if (info->Eviction != Evictions)
            {
                info->Eviction = Evictions;
                EvictFrom(info, piece, end);
            }
        }

        FlushJumps();
        DropCount++;
    }

    private void EvictFrom(CodePage* page, byte* piece, byte* end)
    {
        CodeBlock** from = &page->First;
        while (*from != null)
        {
            CodeBlock* block = *from;
            if (block >= piece && block < end)
            {
                _warmth.Keep(block, HeatThreshold);
                Unlink(block);
                *from = block->NextInPage;
                continue;
            }

            BlockLinks* links = block->Links;
            links->Taken = links->Taken >= piece && links->Taken < end ? null : links->Taken;
            links->NotTaken = links->NotTaken >= piece && links->NotTaken < end ? null : links->NotTaken;
            from = &block->NextInPage;
        }
    }

    private void Unlink(CodeBlock* block)
    {
        CodeBlock** link = _buckets + Bucket(block->Page, block->Offset);
        while (*link != block)
        {
            link = &(*link)->NextInBucket;
        }

        *link = block->NextInBucket;
    }

    private void ClearPage(int page)
    {
        CodePage* info = _pages[page];
        info->First = null;
        info->Generation++;
        new Span<ulong>(info->Decoded, 32).Clear();
    }

    private void Free()
    {
        if (_jumps == null)
        {
            return;
        }

        NativeMemory.AlignedFree(_jumps);
        NativeMemory.Free(_buckets);
        for (int page = 0; page < _ram.PageCount; page++)
        {
            NativeMemory.Free(_pages[page]);
        }

        NativeMemory.Free(_pages);
        _arena.Dispose();
        _jumps = null;
        _buckets = null;
        _pages = null;
    }
}
