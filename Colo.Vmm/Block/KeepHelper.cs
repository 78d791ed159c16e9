using System.Diagnostics;

namespace Colo.Vmm.Block;

/// <summary>
/// A second hand for keeping the old sectors of a large write: copying them is bound by what one processor can move.
/// The other half is offered to the thread pool, and whoever comes first does it: a pool with no thread to spare costs
/// nothing but the offer. The offering thread holds the clusters' locks until it has collected.
/// <code>Idle -- Offer --&gt; Offered -- pool: Execute --&gt; Taken --&gt; Idle (Collect waits)
///                        \-- Collect: done by the caller --&gt; Idle</code>
/// </summary>
internal sealed class KeepHelper(ClusterStore store) : IThreadPoolWorkItem
{
    private const int Idle = 0;
    private const int Preparing = 1;
    private const int Offered = 2;
    private const int Taken = 3;

    private readonly BufferCluster[] _clusters = new BufferCluster[BufferGeneration.Stripes];
    private readonly object _done = new();
    private int _state;
    private int _count;
    private int _first;
    private int _end;
    private bool _isDone;
    private BlockStatus _status;

    /// <summary>Offers pages <paramref name="first"/> to <paramref name="end"/> - 1; false when the helper is
    /// busy.</summary>
    public bool TryOffer(ReadOnlySpan<BufferCluster> clusters, int first, int end)
    {
        if (Interlocked.CompareExchange(ref _state, Preparing, Idle) != Idle)
        {
            return false;
        }

        clusters.CopyTo(_clusters);
        _count = clusters.Length;
        _first = first;
        _end = end;
        _isDone = false;
        Volatile.Write(ref _state, Offered);
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        return true;
    }

    /// <summary>The outcome of what was offered, done here when nobody has begun it.</summary>
    public BlockStatus Collect()
    {
        if (Interlocked.CompareExchange(ref _state, Taken, Offered) == Offered)
        {
            Work();
        }
        else
        {
            lock (_done)
            {
                while (!_isDone)
                {
                    System.Threading.Monitor.Wait(_done);
                }
            }
        }

        var status = _status;
        Array.Clear(_clusters);
        Volatile.Write(ref _state, Idle);
        return status;
    }

    void IThreadPoolWorkItem.Execute()
    {
        // An offer that the caller took back leaves its work item behind; it may as well serve the next offer.
        if (Interlocked.CompareExchange(ref _state, Taken, Offered) == Offered)
        {
            Work();
            lock (_done)
            {
                _isDone = true;
                System.Threading.Monitor.Pulse(_done);
            }
        }
    }

    private void Work()
    {
        Debug.Assert(_state == Taken, "only who has taken the offer works");
        _status = store.KeepPages(_clusters.AsSpan(0, _count), _first, _end);
    }
}
