using Colo.Vmm.Memory;

namespace Colo.Host.Cli;

/// <summary>
/// Gives back what the process of a machine needed for a while only. Beside the guest's memory stays what is in use.
/// Pages of the runtime's files go when they have become more, looked at every second: a start needs 33 MiB of them
/// for a moment. Free memory of the C library and, when much was allocated, of the collector goes every ten seconds; a
/// collection stops the guest for some milliseconds. All of it costs some milliseconds of a pool thread.
/// </summary>
internal sealed class MemoryKeeper : IDisposable
{
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(1);
    private const int PeriodsBetweenCollections = 10;
    private const int PeriodsBeforeFirstCollection = 3;
    private const long AllocatedMin = 4 << 20;
    private const long MappedMin = 3 << 20;

    private readonly RuntimeFiles _files = new();
    private readonly Timer _timer;
    private long _allocated;
    private long _mapped;
    private int _periods = PeriodsBetweenCollections - PeriodsBeforeFirstCollection;
    private int _busy;

    public MemoryKeeper() => _timer = new Timer(_ => Look(), null, s_period, s_period);

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        // On a host that has stood still the next look may come before this one has ended.
        if (Interlocked.Exchange(ref _busy, 1) != 0)
        {
            return;
        }

        if (++_periods >= PeriodsBetweenCollections)
        {
            _periods = 0;
            Collect();
        }

        if (_files.MappedBytes() - _mapped >= MappedMin && _files.GiveBackPages())
        {
            _mapped = _files.MappedBytes();
        }

        Volatile.Write(ref _busy, 0);
    }

    private void Collect()
    {
        long allocated = GC.GetTotalAllocatedBytes();
        if (allocated - _allocated > AllocatedMin)
        {
            _allocated = allocated;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }

        HostHeap.GiveBackFree();
    }
}
