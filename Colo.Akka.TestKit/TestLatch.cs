namespace Akka.TestKit;

/// <summary>Opens when it has been counted down.</summary>
public class TestLatch
{
    private readonly CountdownEvent _countdown;
    private readonly Func<TimeSpan, TimeSpan> _dilate;
    private readonly TimeSpan _defaultTimeout;

    public TestLatch()
        : this(1)
    {
    }

    public TestLatch(int count)
        : this(static t => t, count, TimeSpan.FromSeconds(5))
    {
    }

    public TestLatch(int count, TimeSpan defaultTimeout)
        : this(static t => t, count, defaultTimeout)
    {
    }

    public TestLatch(Func<TimeSpan, TimeSpan> dilate, int count, TimeSpan defaultTimeout)
    {
        _countdown = new CountdownEvent(count);
        _dilate = dilate;
        _defaultTimeout = defaultTimeout;
    }

    public bool IsOpen => _countdown.IsSet;

    public void CountDown()
    {
        if (!_countdown.IsSet)
        {
            _countdown.Signal();
        }
    }

    public void Open()
    {
        while (!_countdown.IsSet)
        {
            CountDown();
        }
    }

    public void Reset() => _countdown.Reset();

    /// <exception cref="TimeoutException">It has not opened in time.</exception>
    public void Ready(TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        var limit = _dilate(timeout ?? _defaultTimeout);
        if (!_countdown.Wait(limit, cancellationToken))
        {
            throw new TimeoutException($"Timeout of {limit}");
        }
    }
}

/// <summary>Holds so many threads until all of them have come.</summary>
public class TestBarrier
{
    private readonly Barrier _barrier;
    private readonly Func<TimeSpan, TimeSpan> _dilate;
    private readonly TimeSpan _defaultTimeout;

    internal TestBarrier(Func<TimeSpan, TimeSpan> dilate, int count, TimeSpan defaultTimeout)
    {
        _barrier = new Barrier(count);
        _dilate = dilate;
        _defaultTimeout = defaultTimeout;
    }

    public void Await() => Await(null);

    /// <exception cref="TimeoutException">Not all of them came.</exception>
    public void Await(TimeSpan? timeout)
    {
        var limit = _dilate(timeout ?? _defaultTimeout);
        if (!_barrier.SignalAndWait(limit))
        {
            throw new TimeoutException($"Timeout of {limit} while waiting for {_barrier.ParticipantsRemaining} others");
        }
    }

    public void Reset()
    {
        var count = _barrier.ParticipantCount;
        _barrier.RemoveParticipants(count);
        _barrier.AddParticipants(count);
    }
}
