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
    /// <summary>Bound on compiled guest instructions, about 50 MB of host code and tables; then all is dropped.</summary>
    private const int InstructionsMax = 120_000;

    /// <summary>A page whose code changed more often than this lately is left to the interpreter.</summary>
    private const int DropsMax = 12;

    /// <summary>A block counts as warm, and joins a region, from this part of the threshold on.</summary>
    private const int WarmDivisor = 20;

    private const int EntryBits = 5;

    private readonly GuestRam _ram;
    private readonly CodeCache _code;
    private readonly HartContext* _context;
    private readonly bool _synchronous;
    private readonly List<(RegionDelegate? Code, int Instructions)> _regions = [(null, 0)];
    private readonly Stack<int> _free = new();
    private readonly Dictionary<int, List<int>> _regionsOfPage = [];
    private readonly Dictionary<(int Page, int Offset), int> _entries = [];
    private readonly ConcurrentQueue<(Region Region, int Generation, byte[] Bytes, RegionDelegate Code)> _finished = new();
    private readonly BlockingCollection<Request> _requests = new(new ConcurrentStack<Request>());

    private readonly Thread? _worker;
    private int _instructions;

    public CompiledTier(GuestRam ram, CodeCache code, HartContext* context, HartOptions options)
    {
        bool synchronous = options.Tier == CodeTierMode.Compiled;
        _ram = ram;
        _code = code;
        _context = context;
        _synchronous = synchronous;
        code.Tier = this;
        code.HeatThreshold = synchronous ? 1 : Math.Max(1, options.CompileThreshold);
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
        if (block->Region != 0 || block->Linkable == 0 || _code.Drops(block->Page) > DropsMax)
        {
            return;
        }

        HashSet<int>? warm = _synchronous ? null : _code.WarmOffsets(block->Page, _code.HeatThreshold / WarmDivisor);
        Request request = new(block->Page, block->Offset, generation, _ram.ReadPage(block->Page).ToArray(), warm);
        if (!_synchronous)
        {
            _requests.Add(request);
            return;
        }

        if (request.Find() is { } region)
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
        _regions[region >> EntryBits].Code!(context, region & ((1 << EntryBits) - 1));
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
            _instructions -= _regions[index].Instructions;
            _regions[index] = (null, 0);
            _free.Push(index);
            Counters.Dropped++;
        }

        foreach ((int Page, int Offset) key in _entries.Keys)
        {
            // Removing while enumerating is allowed for a dictionary.
            if (key.Page == page)
            {
                _entries.Remove(key);
            }
        }
    }

    /// <inheritdoc/>
    public void AllDropped()
    {
        Counters.Dropped += _regions.Count - 1;
        _regions.Clear();
        _regions.Add((null, 0));
        _free.Clear();
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

        if (!_free.TryPop(out int index))
        {
            index = _regions.Count;
            _regions.Add((null, 0));
        }

        _regions[index] = (code, region.InstructionCount);
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
        foreach (Request request in _requests.GetConsumingEnumerable())
        {
            if (_requests.IsAddingCompleted)
            {
                return;
            }

            if (request.Find() is { } region)
            {
                _finished.Enqueue((region, request.Generation, request.Code, RegionCompiler.Compile(region)));
                Interlocked.Or(ref _context->Pending, HartContext.PendingCode);
            }
        }
    }

    private sealed record Request(int Page, int Offset, int Generation, byte[] Code, HashSet<int>? Warm)
    {
        public Region? Find() => RegionFinder.Find(Code, Page, Offset, Warm);
    }
}
