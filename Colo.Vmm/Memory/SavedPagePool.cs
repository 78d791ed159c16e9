using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Colo.Vmm.Memory;

/// <summary>
/// Buffers of one page each for content that a capture saved before the guest overwrote it, and for pages that are
/// staged for the guest: the two need memory in turns, so they share it. Returned buffers are used again, up to a
/// bound, so that a machine under steady checkpoints allocates nothing.
/// </summary>
internal sealed class SavedPagePool
{
    /// <summary>What the runtime puts before the bytes of an array: object header, type, length.</summary>
    public const int HeaderBytes = 24;

    // 8 MiB, or a quarter of RAM where that is more: what issue "checkpoint" allows a pair's host beside the RAM.
    private const int KeptCountLeast = 2048;

    private readonly Lock _lock = new();
    private readonly int _keptCountMax;
    private byte[][] _free = new byte[64][];
    private int _count;
    private int _alive;
    private int _peakAlive;

    public SavedPagePool(int pageCount)
    {
        _keptCountMax = Math.Max(KeptCountLeast, pageCount / 4);
    }

    /// <summary>Buffers that exist, rented or waiting for their next use.</summary>
    public int AliveCount
    {
        get
        {
            lock (_lock)
            {
                return _alive;
            }
        }
    }

    /// <summary>Buffers that are rented.</summary>
    public int RentedCount
    {
        get
        {
            lock (_lock)
            {
                return _alive - _count;
            }
        }
    }

    /// <summary>The most that <see cref="AliveCount"/> has been.</summary>
    public int PeakAliveCount
    {
        get
        {
            lock (_lock)
            {
                return _peakAlive;
            }
        }
    }

    public byte[] Rent() => TryRent(int.MaxValue, out byte[]? page) ? page : throw new UnreachableException();

    /// <summary>A buffer, but none that would make more than <paramref name="aliveMax"/> exist.</summary>
    public bool TryRent(int aliveMax, [NotNullWhen(true)] out byte[]? page)
    {
        lock (_lock)
        {
            if (_count > 0)
            {
                page = _free[--_count];
                _free[_count] = null!;
                return true;
            }

            if (_alive >= aliveMax)
            {
                page = null;
                return false;
            }

            _peakAlive = Math.Max(_peakAlive, ++_alive);
        }

        page = GC.AllocateUninitializedArray<byte>(GuestRam.PageSize);
        return true;
    }

    public void Return(byte[] page)
    {
        lock (_lock)
        {
            if (_count == _keptCountMax)
            {
                _alive--;
                return;
            }

            if (_count == _free.Length)
            {
                Array.Resize(ref _free, Math.Min(2 * _count, _keptCountMax));
            }

            _free[_count++] = page;
        }
    }

    /// <summary>Gives the waiting buffers back to the host.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            _alive -= _count;
            Array.Clear(_free, 0, _count);
            _count = 0;
        }
    }
}
