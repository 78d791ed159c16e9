using System.Diagnostics.CodeAnalysis;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// Room for staged pages, up to a bound. The buffers are the ones in which the machine keeps older versions of written
/// pages: staging a page lets go of its older version, so the two together need no more than the larger of them.
/// </summary>
internal sealed class StagingRoom(SavedPagePool pool, int capacityPages)
{
    private int _inUse;

    public int Capacity => capacityPages;

    public int InUse => Volatile.Read(ref _inUse);

    /// <summary>False at the bound. Any thread.</summary>
    public bool TryRent([NotNullWhen(true)] out byte[]? page)
    {
        if (Interlocked.Increment(ref _inUse) > capacityPages)
        {
            Interlocked.Decrement(ref _inUse);
            page = null;
            return false;
        }

        page = pool.Rent();
        return true;
    }

    public void Return(byte[] page)
    {
        pool.Return(page);
        Interlocked.Decrement(ref _inUse);
    }
}
