using System.Diagnostics;

namespace Colo.Benchmarks.Qemu;

/// <summary>
/// The time from the moment at which the primary is killed to the first thing that the survivor's guest prints after
/// its node has said that it owns the guest and runs it.
/// </summary>
/// <param name="owns">What the node prints then.</param>
internal sealed class GapWatch(string owns)
{
    private readonly Lock _gate = new();
    private TaskCompletionSource<TimeSpan> _found = new();
    private int _survivor = -1;
    private long _struck;
    private bool _isOwner;

    public void Begin(int survivor)
    {
        lock (_gate)
        {
            _found = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
            (_survivor, _struck, _isOwner) = (survivor, 0, false);
        }
    }

    public void Strike()
    {
        lock (_gate)
        {
            _struck = Stopwatch.GetTimestamp();
        }
    }

    public TimeSpan Wait(TimeSpan limit) => _found.Task.WaitAsync(limit).GetAwaiter().GetResult();

    public void NodePrinted(int node, string line)
    {
        lock (_gate)
        {
            _isOwner |= node == _survivor && _struck != 0 && line.Contains(owns, StringComparison.Ordinal);
        }
    }

    public void GuestPrinted(int node, ReadOnlySpan<byte> output)
    {
        lock (_gate)
        {
            if (node == _survivor && _isOwner && output.Length > 0)
            {
                _found.TrySetResult(Stopwatch.GetElapsedTime(_struck));
            }
        }
    }
}
