using Colo.Vmm.Memory;

namespace Colo.Host.Cli;

/// <summary>
/// Now and then gives back what the process of a machine needed for a while only: pages of the runtime's files, free
/// memory of the C library, and of the collector when much was allocated. Beside the guest's memory stays what is in
/// use. Costs some milliseconds of a pool thread each time; the collection, which stops the guest for as long, is left
/// out when nothing was allocated.
/// </summary>
internal sealed class MemoryKeeper : IDisposable
{
    /// <summary>A boot is over within some seconds.</summary>
    private static readonly TimeSpan s_first = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(10);
    private const long AllocatedMin = 4 << 20;

    private readonly Timer _timer;
    private long _allocated;

    public MemoryKeeper() => _timer = new Timer(_ => GiveBack(), null, s_first, s_period);

    public void Dispose() => _timer.Dispose();

    private void GiveBack()
    {
        long allocated = GC.GetTotalAllocatedBytes();
        if (allocated - _allocated > AllocatedMin)
        {
            _allocated = allocated;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }

        HostHeap.GiveBackFree();
        RuntimeFiles.GiveBackPages();
    }
}
