namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>What the secondary said, reduced to what somebody may be waiting for.</summary>
internal readonly record struct ControlMessage(FrameType Type, CheckpointStamp Stamp, int Value, bool Flag);

/// <summary>
/// Hands the secondary's control messages from the reading thread to the one that runs a checkpoint. Bounded: the
/// protocol lets at most a few messages wait, so more of them are a broken peer.
/// </summary>
internal sealed class ControlInbox
{
    private const int Capacity = 16;
    private const int SpinsMax = 100;

    private readonly object _gate = new();
    private readonly ControlMessage[] _messages = new ControlMessage[Capacity];
    private readonly Action<object?> _pulse;
    private int _head;
    private int _count;
    private bool _closed;

    public ControlInbox()
    {
        _pulse = _ => Pulse();
    }

    /// <summary>False when the inbox is full.</summary>
    public bool TryPost(in ControlMessage message)
    {
        lock (_gate)
        {
            if (_count == Capacity)
            {
                return false;
            }

            _messages[(_head + _count++) % Capacity] = message;
            System.Threading.Monitor.PulseAll(_gate);
            return true;
        }
    }

    /// <summary>Nothing will come any more; what is there can still be taken.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            System.Threading.Monitor.PulseAll(_gate);
        }
    }

    /// <summary>The next message; false when the inbox is closed and empty, or on cancellation.</summary>
    public bool TryTake(CancellationToken cancellation, out ControlMessage message)
    {
        // Waking a thread on a processor that sleeps takes as long as the secondary's answer to a small checkpoint.
        var spin = default(SpinWait);
        while (Volatile.Read(ref _count) == 0 && spin.Count < SpinsMax)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        using var registration = cancellation.CanBeCanceled ? cancellation.UnsafeRegister(_pulse, null) : default;
        lock (_gate)
        {
            while (_count == 0 && !_closed && !cancellation.IsCancellationRequested)
            {
                System.Threading.Monitor.Wait(_gate);
            }

            if (_count == 0)
            {
                message = default;
                return false;
            }

            message = _messages[_head];
            _head = (_head + 1) % Capacity;
            _count--;
            return true;
        }
    }

    private void Pulse()
    {
        lock (_gate)
        {
            System.Threading.Monitor.PulseAll(_gate);
        }
    }
}
