using Akka.Actor;
using Akka.Actor.Internal;

namespace Akka.Pattern;

/// <summary>The breaker is open: the call was not made.</summary>
public class OpenCircuitException : AkkaException
{
    public OpenCircuitException()
        : base("Circuit Breaker is open; calls are failing fast")
    {
    }

    public OpenCircuitException(string message)
        : base(message)
    {
    }

    public OpenCircuitException(string message, Exception cause)
        : base(message, cause)
    {
    }
}

/// <summary>
/// Closed: calls pass, and so many failures in a row open it. Open: calls fail at once, until the reset time is over.
/// Half open: one call is tried; it closes or opens the breaker. A call that is late counts as a failure.
/// </summary>
public class CircuitBreaker
{
    private readonly IScheduler _scheduler;
    private readonly int _maxFailures;
    private readonly TimeSpan _callTimeout;
    private readonly TimeSpan _firstResetTimeout;
    private readonly TimeSpan _maxResetTimeout;
    private readonly double _backoffFactor;
    private readonly double _randomFactor;
    private readonly Lock _lock = new();
    private Action _onOpen = static () => { };
    private Action _onHalfOpen = static () => { };
    private Action _onClose = static () => { };
    private Status _status;
    private bool _trying;
    private int _failures;
    private TimeSpan _resetTimeout;

    public CircuitBreaker(IScheduler scheduler, int maxFailures, TimeSpan callTimeout, TimeSpan resetTimeout)
        : this(scheduler, maxFailures, callTimeout, resetTimeout, TimeSpan.FromDays(36500), 1.0, 0)
    {
    }

    public CircuitBreaker(
        IScheduler scheduler, int maxFailures, TimeSpan callTimeout, TimeSpan resetTimeout, TimeSpan maxResetTimeout,
        double exponentialBackoffFactor)
        : this(scheduler, maxFailures, callTimeout, resetTimeout, maxResetTimeout, exponentialBackoffFactor, 0)
    {
    }

    public CircuitBreaker(
        IScheduler scheduler, int maxFailures, TimeSpan callTimeout, TimeSpan resetTimeout, TimeSpan maxResetTimeout,
        double exponentialBackoffFactor, double randomFactor)
    {
        if (exponentialBackoffFactor < 1.0)
        {
            throw new ArgumentException("factor must be >= 1.0", nameof(exponentialBackoffFactor));
        }

        if (randomFactor is < 0 or > 1)
        {
            throw new ArgumentException("factor must be between 0.0 and 1.0", nameof(randomFactor));
        }

        _scheduler = scheduler;
        _maxFailures = maxFailures;
        _callTimeout = callTimeout;
        _firstResetTimeout = _resetTimeout = resetTimeout;
        _maxResetTimeout = maxResetTimeout;
        _backoffFactor = exponentialBackoffFactor;
        _randomFactor = randomFactor;
    }

    private enum Status
    {
        Closed,
        Open,
        HalfOpen,
    }

    public bool IsClosed => _status == Status.Closed;

    public bool IsOpen => _status == Status.Open;

    public bool IsHalfOpen => _status == Status.HalfOpen;

    public long CurrentFailureCount => _status == Status.Closed ? _failures : 0;

    public Exception LastCaughtException { get; private set; }

    public CircuitBreaker WithExponentialBackoff(TimeSpan maxResetTimeout) => new(
        _scheduler, _maxFailures, _callTimeout, _firstResetTimeout, maxResetTimeout, 2.0, _randomFactor);

    public CircuitBreaker WithRandomFactor(double randomFactor) => new(
        _scheduler, _maxFailures, _callTimeout, _firstResetTimeout, _maxResetTimeout, _backoffFactor, randomFactor);

    public CircuitBreaker OnOpen(Action callback)
    {
        _onOpen += callback;
        return this;
    }

    public CircuitBreaker OnHalfOpen(Action callback)
    {
        _onHalfOpen += callback;
        return this;
    }

    public CircuitBreaker OnClose(Action callback)
    {
        _onClose += callback;
        return this;
    }

    public async Task<T> WithCircuitBreaker<T>(Func<Task<T>> body)
    {
        Enter();
        T result;
        try
        {
            result = await body().WaitAsync(_callTimeout).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Failed(e);
            throw;
        }

        Succeed();
        return result;
    }

    public Task<T> WithCircuitBreaker<T, TState>(TState state, Func<TState, Task<T>> body) =>
        WithCircuitBreaker(() => body(state));

    public Task WithCircuitBreaker(Func<Task> body) => WithCircuitBreaker(async () =>
    {
        await body().ConfigureAwait(false);
        return Done.Instance;
    });

    public Task WithCircuitBreaker<TState>(TState state, Func<TState, Task> body) =>
        WithCircuitBreaker(() => body(state));

    public void WithSyncCircuitBreaker(Action body) =>
        WithCircuitBreaker(() => Start(() =>
        {
            body();
            return Done.Instance;
        })).GetAwaiter().GetResult();

    public T WithSyncCircuitBreaker<T>(Func<T> body) =>
        WithCircuitBreaker(() => Start(body)).GetAwaiter().GetResult();

    // Beside the caller, so that the time limit holds; in a simulation nothing leaves the thread.
    private static Task<T> Start<T>(Func<T> body) =>
        RuntimeHooks.Ambient is null ? Task.Run(body) : Task.FromResult(body());

    public void Succeed()
    {
        var closed = false;
        lock (_lock)
        {
            _failures = 0;
            if (_status == Status.HalfOpen)
            {
                (_status, _trying, _resetTimeout, closed) = (Status.Closed, false, _firstResetTimeout, true);
            }
        }

        if (closed)
        {
            _onClose();
        }
    }

    public void Fail() => Failed(null);

    private void Enter()
    {
        lock (_lock)
        {
            if (_status == Status.Open || (_status == Status.HalfOpen && _trying))
            {
                throw new OpenCircuitException("Circuit Breaker is open; calls are failing fast", LastCaughtException);
            }

            _trying = _status == Status.HalfOpen;
        }
    }

    private void Failed(Exception cause)
    {
        TimeSpan reset;
        lock (_lock)
        {
            LastCaughtException = cause ?? LastCaughtException;
            _failures++;
            var opens = _status == Status.HalfOpen || (_status == Status.Closed && _failures >= _maxFailures);
            if (!opens)
            {
                return;
            }

            (_status, _trying, _failures) = (Status.Open, false, 0);
            reset = _resetTimeout * (1.0 + (Actor.Internal.RuntimeHooks.Chance() * _randomFactor));
            _resetTimeout = TimeSpan.FromTicks((long)Math.Min(_maxResetTimeout.Ticks, _resetTimeout.Ticks * _backoffFactor));
        }

        _onOpen();
        _scheduler.Advanced.ScheduleOnce(reset, TryAgain);
    }

    private void TryAgain()
    {
        lock (_lock)
        {
            if (_status != Status.Open)
            {
                return;
            }

            _status = Status.HalfOpen;
        }

        _onHalfOpen();
    }
}
