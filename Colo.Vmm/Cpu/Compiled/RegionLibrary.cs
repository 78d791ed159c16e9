using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// Compiles regions for all harts of a machine on one background thread, oldest wish first: what is executed most
/// becomes hot first, and waited longest when the newest came first. Remembers what it made: code that another hart, or
/// an earlier owner of the page, has wished for before is given out again as long as the bytes are the same. Nothing is
/// compiled twice at the same time.
/// </summary>
internal sealed unsafe class RegionLibrary : IDisposable
{
    /// <summary>Guest instructions in remembered regions; half are forgotten, oldest first, when there are
    /// more.</summary>
    private const int InstructionsMax = 400_000;

    /// <summary>Regions of a page that wishes are compared with.</summary>
    private const int RecentMax = 8;

    private readonly object _lock = new();
    private readonly Queue<RegionRequest> _wishes = new();
    private readonly Dictionary<(int Page, int Offset, bool Shares), CompiledRegion> _known = [];
    private readonly Queue<(int Page, int Offset, bool Shares)> _order = new();
    private readonly ulong _hostDelta;
    private readonly Dictionary<int, List<CompiledRegion>> _recent = [];
    private Thread? _worker;
    private int _started;
    private int _made;
    private int _instructions;
    private bool _ended;

    public RegionLibrary(GuestRam ram)
    {
        _hostDelta = (ulong)ram.Host - ram.BaseAddress;
    }

    /// <summary>Number of regions compiled.</summary>
    public int Made => Volatile.Read(ref _made);

    /// <summary>The region is delivered to the wish's tier, at once when it is known, otherwise from the background
    /// thread.</summary>
    public void Wish(RegionRequest request)
    {
        lock (_lock)
        {
            if (_ended)
            {
                return;
            }

            _worker ??= StartWorker();
            _wishes.Enqueue(request);
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Compiles on the caller's thread. Null when nothing at the wish's offset can be compiled, or when the
    /// block is part of a region that was made since the wish.</summary>
    public CompiledRegion? Compile(RegionRequest request, out bool wasKnown, out bool isCovered)
    {
        (int Page, int Offset, bool Shares) key = (request.Page, request.Offset, request.ShareProbes);
        CompiledRegion[] since;
        lock (_lock)
        {
            wasKnown = _known.TryGetValue(key, out CompiledRegion? known) && known.Matches(request.Code);
            since = MadeSince(request);
            isCovered = !wasKnown && request.Replaces == 0 && since.Any(made => made.Holds(request.Offset));
            if (wasKnown || isCovered)
            {
                return known;
            }
        }

        HashSet<int> closed = request.Closed(since);
        if (RegionFinder.Find(request.Code, request.Page, request.Offset, request.Warm, closed) is not { } region)
        {
            return null;
        }

        int number = Interlocked.Increment(ref _started);
        (RegionDelegate code, nint entry) =
            RegionCompiler.Compile(region, new CompileChoices(_hostDelta, request.ShareProbes, number));
        CompiledSource.Drop(code);
        lock (_lock)
        {
            _made = Math.Max(_made, number);
            CompiledRegion made = new(
                region.WithoutInstructions(), CompiledRegion.Used(region, request.Code), code, entry,
                request.ShareProbes, number);
            Remember(key, made);
            return made;
        }
    }

    /// <summary>Drops the wishes of a hart that ends; its tier is not called any more once this has returned.</summary>
    public void Forget(CompiledTier tier)
    {
        lock (_lock)
        {
            RegionRequest[] others = [.. _wishes.Where(w => w.Tier != tier)];
            _wishes.Clear();
            foreach (RegionRequest other in others)
            {
                _wishes.Enqueue(other);
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _ended = true;
            _wishes.Clear();
            Monitor.Pulse(_lock);
        }

        _worker?.Join();
    }

    /// <summary>While a region is compiled, its blocks go on being interpreted and become hot one after the
    /// other.</summary>
    private CompiledRegion[] MadeSince(RegionRequest request) =>
        _recent.TryGetValue(request.Page, out List<CompiledRegion>? made)
            ? [.. made.Where(r => r.Number > request.MadeBefore && r.Matches(request.Code))]
            : [];

    private Thread StartWorker()
    {
        Thread worker = new(Work) { Name = "colo compiler", IsBackground = true, Priority = ThreadPriority.BelowNormal };
        worker.Start();
        return worker;
    }

    private void Work()
    {
        while (Next() is { } request)
        {
            CompiledRegion? made = Compile(request, out bool wasKnown, out bool isCovered);
            if (made is not null || isCovered)
            {
                request.Tier.Deliver(request, isCovered ? null : made, wasKnown);
            }
        }
    }

    private RegionRequest? Next()
    {
        lock (_lock)
        {
            while (_wishes.Count == 0 && !_ended)
            {
                Monitor.Wait(_lock);
            }

            return _ended ? null : _wishes.Dequeue();
        }
    }

    private void Remember((int Page, int Offset, bool Shares) key, CompiledRegion made)
    {
        if (!_recent.TryGetValue(key.Page, out List<CompiledRegion>? ofPage))
        {
            _recent[key.Page] = ofPage = [];
        }

        if (ofPage.Count == RecentMax)
        {
            ofPage.RemoveAt(0);
        }

        ofPage.Add(made);
        if (_known.TryGetValue(key, out CompiledRegion? before))
        {
            _instructions -= before.Region.InstructionCount;
        }
        else
        {
            _order.Enqueue(key);
        }

        _known[key] = made;
        _instructions += made.Region.InstructionCount;
        if (_instructions <= InstructionsMax)
        {
            return;
        }

        while (_instructions > InstructionsMax / 2 && _order.TryDequeue(out (int Page, int Offset, bool Shares) oldest))
        {
            if (_known.Remove(oldest, out CompiledRegion? forgotten))
            {
                _recent.Remove(oldest.Page);
                _instructions -= forgotten.Region.InstructionCount;
            }
        }
    }
}
