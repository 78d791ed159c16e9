using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// The compiling tier of one hart. A hot block becomes a wish to the machine's <see cref="RegionLibrary"/>; the hart
/// installs the result at a block boundary if the page's generation and bytes are still the same. In mode Compiled
/// everything happens at once on the hart's thread.
/// </summary>
internal sealed unsafe class CompiledTier : ICodeTier, IDisposable
{
    /// <summary>A page whose code changed more often than this lately is left to the interpreter.</summary>
    private const int DropsMax = 12;

    /// <summary>A block counts as warm, and joins a region, from this part of the threshold on.</summary>
    private const int WarmDivisor = 20;

    /// <summary>Exits for accesses in two pages after which a region is compiled again with a probe for each
    /// access.</summary>
    private const int StraddlesMax = 500;

    /// <summary>One entry in so many is timed.</summary>
    private const int SampleEvery = 256;

    /// <summary>Instructions in dropped regions that are remembered; beyond it all are forgotten.</summary>
    private const int LostInstructionsMax = 100_000;

    private const int EntryBits = 5;

    private readonly GuestRam _ram;
    private readonly CodeCache _code;
    private readonly HartContext* _context;
    private readonly RegionLibrary _library;
    private readonly bool _synchronous;
    private readonly bool _takesAll;
    private readonly int _instructionsMax;
    private readonly Stack<int> _free = new();
    private readonly Dictionary<int, List<int>> _regionsOfPage = [];
    private readonly Dictionary<int, List<CompiledRegion>> _lost = [];
    private readonly Dictionary<(int Page, int Offset), int> _entries = [];
    private readonly Dictionary<int, int> _slotOfRegion = [];
    private readonly ConcurrentQueue<(RegionRequest Request, CompiledRegion? Made, bool WasKnown)> _finished = new();
    private nint[] _codes = new nint[64];
    private Slot[] _slots = new Slot[64];
    private int _slotCount = 1;
    private int _hand = 1;
    private int _instructions;
    private int _lostInstructions;
    private int _untilSample = SampleEvery;

    public CompiledTier(GuestRam ram, CodeCache code, HartContext* context, HartOptions options, RegionLibrary library)
    {
        _synchronous = options.Tier == CodeTierMode.Compiled;
        _ram = ram;
        _code = code;
        _context = context;
        _library = library;
        _instructionsMax = options.CompiledInstructionsMax;
        code.Tier = this;
        code.HeatThreshold = Math.Max(1, _synchronous ? options.CompileThresholdAtOnce : options.CompileThreshold);
        _takesAll = code.HeatThreshold == 1 && _synchronous;
    }

    public RegionCounters Counters { get; } = new();

    /// <inheritdoc/>
    public void BlockIsHot(CodeBlock* block)
    {
        block->Heat = int.MaxValue;
        if (block->Region != 0 || block->Linkable == 0 || _code.Drops(block->Page) > DropsMax)
        {
            return;
        }

        Dictionary<int, int>? warm = _takesAll ? null : _code.WarmBlocks(block->Page, _code.HeatThreshold / WarmDivisor);
        Wish(block->Page, block->Offset, warm, shareProbes: true, replaces: 0);
    }

    /// <inheritdoc/>
    public void InstallFinished()
    {
        while (_finished.TryDequeue(out (RegionRequest Request, CompiledRegion? Made, bool WasKnown) result))
        {
            if (result.Made is null)
            {
                Counters.Covered++;
                Cool(result.Request);
                continue;
            }

            Region region = result.Made.Region;
            if (_code.Generation(region.Page) == result.Request.Generation
                && _ram.IsCodePage(region.Page)
                && result.Made.Matches(_ram.ReadPage(region.Page)))
            {
                Counters.Shared += result.WasKnown ? 1 : 0;
                Install(result.Made, result.Request.Replaces);
            }
            else
            {
                Counters.Refused++;
            }
        }
    }

    /// <inheritdoc/>
    public bool Enter(CodeBlock* block, HartContext* context)
    {
        int region = block->Region;
        int index = region >> EntryBits;
        int entry = region & ((1 << EntryBits) - 1);
        long before = context->Remaining;
        _code.Chain(context->Pc ^ context->ModeKey, block, _codes[index], entry);
        _slots[index].Used = true;
        if (--_untilSample == 0)
        {
            EnterTimed(index, entry, context);
        }
        else
        {
            ((delegate*<HartContext*, int, void>)_codes[index])(context, entry);
        }

        long retired = before - context->Remaining;
        Counters.InstructionsRetired += retired;
        Counters.Exits[context->RegionExit & 7]++;
        Counters.Chained = context->Chained;
        if (context->RegionExit == (int)RegionExit.Straddle)
        {
            CountStraddle(context->StraddleRegion);
        }

        return retired != 0;
    }

    /// <inheritdoc/>
    public void BlockDecoded(CodeBlock* block)
    {
        if (_lost.ContainsKey(block->Page))
        {
            Regain(block->Page, Recall(block->Page));
        }

        if (block->Linkable != 0 && _entries.TryGetValue((block->Page, block->Offset), out int region))
        {
            block->Region = region;
        }
    }

    /// <inheritdoc/>
    public void PageDropped(int page)
    {
        if (!_regionsOfPage.Remove(page, out List<int>? regions))
        {
            return;
        }

        Lose(page, regions);
    }

    /// <summary>A result for this hart, from the library's thread; null when what was made since the wish holds the
    /// block.</summary>
    public void Deliver(RegionRequest request, CompiledRegion? made, bool wasKnown)
    {
        _finished.Enqueue((request, made, wasKnown));
        _code.Attend();
    }

    public void Dispose() => _library.Forget(this);

    private void Wish(int page, int offset, Dictionary<int, int>? warm, bool shareProbes, int replaces)
    {
        CompiledRegion[] installed = replaces == 0 && _regionsOfPage.TryGetValue(page, out List<int>? regions)
            ? [.. regions.Select(index => _slots[index].Made!)]
            : [];
        byte[] code = _ram.ReadPage(page).ToArray();
        RegionRequest request = new(
            this, page, offset, _code.Generation(page), code, warm, shareProbes, replaces, installed, _library.Made);
        if (!_synchronous)
        {
            _library.Wish(request);
        }
        else if (_library.Compile(request, out bool wasKnown, out _) is { } made)
        {
            Counters.Shared += wasKnown ? 1 : 0;
            Install(made, replaces);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void EnterTimed(int index, int entry, HartContext* context)
    {
        _untilSample = SampleEvery;
        long start = Stopwatch.GetTimestamp();
        ((delegate*<HartContext*, int, void>)_codes[index])(context, entry);
        Counters.CompiledTicks += (Stopwatch.GetTimestamp() - start) * SampleEvery;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void CountStraddle(int number)
    {
        if (!_slotOfRegion.TryGetValue(number, out int index))
        {
            return;
        }

        ref Slot slot = ref _slots[index];
        if (++slot.Straddles == StraddlesMax)
        {
            Region region = slot.Made!.Region;
            Dictionary<int, int>? warm =
                _takesAll ? null : region.Blocks.ToDictionary(b => b.Offset, b => b.Executions);
            Wish(region.Page, region.Entries[0], warm, shareProbes: false, replaces: index);
        }
    }

    private void Install(CompiledRegion made, int replaces)
    {
        Region region = made.Region;
        if (replaces != 0 && _slots[replaces].Made?.Region.Page == region.Page)
        {
            Evict(replaces);
        }

        if (_instructions + region.InstructionCount > _instructionsMax)
        {
            MakeRoom(region.InstructionCount);
        }

        foreach (RegionBlock block in region.Blocks)
        {
            _code.MarkDecoded(region.Page, block.Offset, block.End - block.Offset);
        }

        int index = TakeSlot();
        _codes[index] = made.Entry;
        _slots[index] = new Slot { Made = made, Used = true };
        _slotOfRegion[made.Number] = index;
        _instructions += region.InstructionCount;
        if (!_regionsOfPage.TryGetValue(region.Page, out List<int>? regions))
        {
            _regionsOfPage[region.Page] = regions = [];
        }

        regions.Add(index);
        Counters.Compiled++;
        Counters.InstructionsCompiled += region.InstructionCount;
        for (int entry = 0; entry < region.Entries.Count; entry++)
        {
            int offset = region.Entries[entry];
            // The hot block takes the new region; other entries keep a region made for them.
            if (entry == 0 || !_entries.ContainsKey((region.Page, offset)))
            {
                SetEntry(region.Page, offset, index << EntryBits | entry);
            }
        }
    }

    /// <summary>Clears the regions of a page whose code was dropped, and remembers them.</summary>
    private void Lose(int page, List<int> regions)
    {
        List<CompiledRegion> lost = [.. regions.Select(index => _slots[index].Made!)];
        foreach (int index in regions)
        {
            Clear(index);
            Counters.Dropped++;
        }

        Recall(page);
        _lostInstructions += lost.Sum(made => made.Region.InstructionCount);
        if (_lostInstructions > LostInstructionsMax)
        {
            _lost.Clear();
            _lostInstructions = 0;
        }
        else
        {
            _lost[page] = lost;
        }
    }

    /// <summary>Takes out what is remembered of a page.</summary>
    private List<CompiledRegion> Recall(int page)
    {
        if (!_lost.Remove(page, out List<CompiledRegion>? lost))
        {
            return [];
        }

        _lostInstructions -= lost.Sum(made => made.Region.InstructionCount);
        return lost;
    }

    /// <summary>
    /// Code of the page is executed again, and stores to it are noticed from now on: regions whose bytes are what they
    /// were come back at once. A kernel patches some bytes of a page of code and leaves all others.
    /// </summary>
    private void Regain(int page, List<CompiledRegion> lost)
    {
        if (_code.Drops(page) > DropsMax)
        {
            return;
        }

        ReadOnlySpan<byte> bytes = _ram.ReadPage(page);
        foreach (CompiledRegion made in lost)
        {
            if (made.Matches(bytes))
            {
                Install(made, replaces: 0);
                Counters.Regained++;
            }
        }
    }

    private void SetEntry(int page, int offset, int number)
    {
        if (number == 0)
        {
            _entries.Remove((page, offset));
        }
        else
        {
            _entries[(page, offset)] = number;
        }

        CodeBlock* block = _code.Lookup(page, offset);
        if (block != null && block->Linkable != 0)
        {
            block->Region = number;
            block->Heat = number == 0 ? _code.HeatThreshold : block->Heat;
        }
    }

    /// <summary>Lets a block become hot once more: if it still is entered by itself, it is compiled then.</summary>
    private void Cool(RegionRequest request)
    {
        CodeBlock* block = _code.Lookup(request.Page, request.Offset);
        if (block != null && block->Region == 0)
        {
            block->Heat = _code.HeatThreshold;
        }
    }

    private int TakeSlot()
    {
        if (_free.TryPop(out int index))
        {
            return index;
        }

        if (_slotCount == _codes.Length)
        {
            Array.Resize(ref _codes, _slotCount * 2);
            Array.Resize(ref _slots, _slotCount * 2);
        }

        return _slotCount++;
    }

    /// <summary>Evicts a quarter of the bound beside what is needed: regions that were not entered since the hand
    /// passed last.</summary>
    private void MakeRoom(int needed)
    {
        int target = _instructionsMax - _instructionsMax / 4 - needed;
        for (int step = 0; step < 2 * _slotCount && _instructions > target; step++)
        {
            _hand = _hand + 1 < _slotCount ? _hand + 1 : 1;
            if (_slotCount > 1 && _codes[_hand] != 0)
            {
                if (_slots[_hand].Used)
                {
                    _slots[_hand].Used = false;
                }
                else
                {
                    Evict(_hand);
                    Counters.Evicted++;
                }
            }
        }
    }

    private void Evict(int index)
    {
        Region region = _slots[index].Made!.Region;
        if (_regionsOfPage.TryGetValue(region.Page, out List<int>? regions))
        {
            regions.Remove(index);
        }

        Clear(index);
        // Other regions may have gone on in it by themselves.
        _code.FlushJumps();
    }

    /// <summary>Forgets a region and every way into it.</summary>
    private void Clear(int index)
    {
        CompiledRegion made = _slots[index].Made!;
        Region region = made.Region;
        _slotOfRegion.Remove(made.Number);
        foreach (int offset in region.Entries)
        {
            if (_entries.TryGetValue((region.Page, offset), out int number) && number >> EntryBits == index)
            {
                SetEntry(region.Page, offset, 0);
            }
        }

        _instructions -= region.InstructionCount;
        _codes[index] = 0;
        _slots[index] = default;
        _free.Push(index);
    }

    private struct Slot
    {
        public CompiledRegion? Made;
        public bool Used;
        public int Straddles;
    }
}
