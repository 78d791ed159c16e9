using System.Collections.Concurrent;

namespace Colo.Vmm.Memory;

/// <summary>
/// Buffers of one page each for content that a capture saved before the guest overwrote it. Returned buffers are used
/// again, up to a bound, so that a machine under steady checkpoints allocates nothing.
/// </summary>
internal sealed class SavedPagePool
{
    /// <summary>Buffers kept for the next capture: 8 MiB, an eighth of what a machine may use beside its RAM.</summary>
    private const int KeptCountMax = 2048;

    private readonly ConcurrentBag<byte[]> _free = [];

    public byte[] Rent() => _free.TryTake(out byte[]? page) ? page : new byte[GuestRam.PageSize];

    public void Return(byte[] page)
    {
        if (_free.Count < KeptCountMax)
        {
            _free.Add(page);
        }
    }
}
