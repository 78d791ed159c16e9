namespace Akka.TestKit.Internal;

/// <summary>What the test actor got and the test has not yet looked at. Waits with a thread or without one.</summary>
internal sealed class EnvelopeQueue
{
    private readonly object _gate = new();
    private readonly LinkedList<MessageEnvelope> _messages = new();
    private TaskCompletionSource _arrival;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _messages.Count;
            }
        }
    }

    public void Add(MessageEnvelope envelope)
    {
        TaskCompletionSource arrival;
        lock (_gate)
        {
            _messages.AddLast(envelope);
            (arrival, _arrival) = (_arrival, null);
            Monitor.PulseAll(_gate);
        }

        arrival?.TrySetResult();
    }

    public void AddFirst(MessageEnvelope envelope)
    {
        lock (_gate)
        {
            _messages.AddFirst(envelope);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Null when nothing comes in time. A negative or infinite time waits for ever.</summary>
    public async ValueTask<MessageEnvelope> Get(
        TimeSpan time, bool take, bool blocking, CancellationToken cancellationToken)
    {
        var forever = time < TimeSpan.Zero;
        var end = forever ? long.MaxValue : Environment.TickCount64 + (long)Math.Ceiling(time.TotalMilliseconds);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Task arrival;
            lock (_gate)
            {
                var left = forever ? Timeout.Infinite : (int)Math.Clamp(end - Environment.TickCount64, 0, int.MaxValue);
                if (blocking)
                {
                    while (_messages.Count == 0 && left != 0 && !cancellationToken.IsCancellationRequested)
                    {
                        // In steps, so that a cancellation is seen.
                        Monitor.Wait(_gate, left < 0 ? 100 : Math.Min(left, 100));
                        left = forever ? Timeout.Infinite : (int)Math.Clamp(end - Environment.TickCount64, 0, int.MaxValue);
                    }
                }

                if (_messages.First is { } first)
                {
                    if (take)
                    {
                        _messages.RemoveFirst();
                    }

                    return first.Value;
                }

                if (left == 0)
                {
                    return null;
                }

                _arrival ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                arrival = _arrival.Task;
            }

            if (blocking)
            {
                continue;
            }

            try
            {
                var left = forever ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds(Math.Max(1, end - Environment.TickCount64));
                await arrival.WaitAsync(left, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // The next turn looks once more and gives up.
            }
        }
    }
}
