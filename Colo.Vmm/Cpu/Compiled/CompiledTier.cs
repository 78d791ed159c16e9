using System.Collections.Concurrent;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// The compiling tier of one hart. A hot block becomes a request with a copy of its page; a background thread finds the
/// region and compiles it; the hart installs the result at a block boundary if the page's generation is still the
/// same. Nothing else is shared between the two. In mode Compiled everything happens at once on the hart's thread.
/// </summary>
internal sealed unsafe class CompiledTier : ICodeTier, IDisposable
{
    /// <summary>Executions of a block before it is compiled: the optimum lies between hundreds and a few thousand.</summary>
    private const int HeatThreshold = 800;

    /// <summary>Bound on compiled guest instructions, about 40 MB of host code and tables; then all is dropped.</summary>
    private const int InstructionsMax = 100_000;

    /// <summary>A page whose code changes more often than this stays with the interpreter.</summary>
    private const int GenerationMax = 16;

    private const int EntryBits = 5;

    private readonly GuestRam _ram;
    private readonly CodeCache _code;
    private readonly HartContext* _context;
    private readonly bool _synchronous;
    private readonly List<RegionDelegate?> _regions = [null];
    private readonly Dictionary<int, List<int>> _regionsOfPage = [];
    private readonly Dictionary<(int Page, int Offset), int> _entries = [];
    private readonly ConcurrentQueue<(Region Region, int Generation, byte[] Bytes, RegionDelegate Code)> _finished = new();
    private readonly BlockingCollection<(int Page, int Offset, int Generation, byte[] Code)> _requests =
        new(new ConcurrentStack<(int, int, int, byte[])>());

    private readonly Thread? _worker;
    private int _instructions;

    public CompiledTier(GuestRam ram, CodeCache code, HartContext* context, bool synchronous)
    {
        _ram = ram;
        _code = code;
        _context = context;
        _synchronous = synchronous;
        code.Tier = this;
        code.HeatThreshold = synchronous ? 1 : HeatThreshold;
        if (!synchronous)
        {
            _worker = new Thread(CompileRequests)
            {
                Name = "colo compiler",
                IsBackground = true,
                Priority = ThreadPriority.BelowNormal,
            };
            _worker.Start();
        }
    }

    public RegionCounters Counters { get; } = new();

    /// <inheritdoc/>
    public void BlockIsHot(CodeBlock* block)
    {
        block->Heat = int.MaxValue;
        int generation = _code.Generation(block->Page);
        if (block->Region != 0 || block->Linkable == 0 || generation > GenerationMax)
        {
            return;
        }

        byte[] copy = _ram.ReadPage(block->Page).ToArray();
        if (!_synchronous)
        {
            _requests.Add((block->Page, block->Offset, generation, copy));
            return;
        }

        if (RegionFinder.Find(copy, block->Page, block->Offset) is { } region)
        {
            Install(region, RegionCompiler.Compile(region));
        }
    }

    /// <inheritdoc/>
    public void InstallFinished()
    {
        while (_finished.TryDequeue(out (Region Region, int Generation, byte[] Bytes, RegionDelegate Code) result))
        {
            Region region = result.Region;
            if (_code.Generation(region.Page) == result.Generation
                && _ram.IsCodePage(region.Page)
                && SameBytes(region, result.Bytes))
            {
                Install(region, result.Code);
            }
            else
            {
                Counters.Refused++;
            }
        }
    }

    /// <inheritdoc/>
    public void Enter(int region, HartContext* context)
    {
        Counters.Entered++;
        _regions[region >> EntryBits]!(context, region & ((1 << EntryBits) - 1));
    }

    /// <inheritdoc/>
    public void BlockDecoded(CodeBlock* block)
    {
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

        foreach (int index in regions)
        {
            _regions[index] = null;
            Counters.Dropped++;
        }

        foreach ((int Page, int Offset) key in _entries.Keys.Where(k => k.Page == page).ToList())
        {
            _entries.Remove(key);
        }
    }

    /// <inheritdoc/>
    public void AllDropped()
    {
        Counters.Dropped += _regions.Count - 1;
        _regions.Clear();
        _regions.Add(null);
        _regionsOfPage.Clear();
        _entries.Clear();
        _instructions = 0;
    }

    public void Dispose()
    {
        _requests.CompleteAdding();
        _worker?.Join();
        _requests.Dispose();
    }

    /// <summary>
    /// A store to bytes of the page that nothing was decoded from does not count as a change of its code, but may have
    /// hit what was compiled meanwhile.
    /// </summary>
    private bool SameBytes(Region region, byte[] bytes)
    {
        ReadOnlySpan<byte> now = _ram.ReadPage(region.Page);
        foreach (RegionBlock block in region.Blocks)
        {
            if (!now[block.Offset..block.End].SequenceEqual(bytes.AsSpan(block.Offset..block.End)))
            {
                return false;
            }
        }

        return true;
    }

    private void Install(Region region, RegionDelegate code)
    {
        if (_instructions + region.InstructionCount > InstructionsMax)
        {
            _code.DropAll();
            return;
        }

        _instructions += region.InstructionCount;
        foreach (RegionBlock block in region.Blocks)
        {
            _code.MarkDecoded(region.Page, block.Offset, block.End - block.Offset);
        }

        int index = _regions.Count;
        _regions.Add(code);
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
            int number = index << EntryBits | entry;
            // The hot block takes the new region; other entries keep a region made for them.
            if (entry == 0 || !_entries.ContainsKey((region.Page, offset)))
            {
                _entries[(region.Page, offset)] = number;
                CodeBlock* block = _code.Lookup(region.Page, offset);
                if (block != null && block->Linkable != 0)
                {
                    block->Region = number;
                }
            }
        }
    }

    private void CompileRequests()
    {
        foreach ((int page, int offset, int generation, byte[] code) in _requests.GetConsumingEnumerable())
        {
            if (_requests.IsAddingCompleted)
            {
                return;
            }

            if (RegionFinder.Find(code, page, offset) is { } region)
            {
                _finished.Enqueue((region, generation, code, RegionCompiler.Compile(region)));
                Interlocked.Or(ref _context->Pending, HartContext.PendingCode);
            }
        }
    }
}
