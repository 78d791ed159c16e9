namespace Akka.TestKit;

/// <content>Waiting for something to become true, and limits of time.</content>
public abstract partial class TestKitBase
{
    /// <summary>Repeats the assertion until it passes; at the end of the time its last failure is the test's.</summary>
    public void AwaitAssert(
        Action assertion, TimeSpan? duration = null, TimeSpan? interval = null,
        CancellationToken cancellationToken = default)
    {
        var end = Now + RemainingOrDilated(duration);
        var step = interval ?? TimeSpan.FromMilliseconds(100);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                assertion();
                return;
            }
            catch (Exception) when (Now + Step(step, end) < end)
            {
                Pause(Step(step, end));
            }
        }
    }

    public Task AwaitAssertAsync(
        Action assertion, TimeSpan? duration = null, TimeSpan? interval = null,
        CancellationToken cancellationToken = default) =>
        AwaitAssertAsync(
            () =>
            {
                assertion();
                return Task.CompletedTask;
            },
            duration, interval, cancellationToken);

    public async Task AwaitAssertAsync(
        Func<Task> assertion, TimeSpan? duration = null, TimeSpan? interval = null,
        CancellationToken cancellationToken = default)
    {
        var end = Now + RemainingOrDilated(duration);
        var step = interval ?? TimeSpan.FromMilliseconds(100);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await assertion().ConfigureAwait(false);
                return;
            }
            catch (Exception) when (Now + Step(step, end) < end)
            {
                await Task.Delay(Step(step, end), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public void AwaitCondition(Func<bool> conditionIsFulfilled, CancellationToken cancellationToken = default) =>
        AwaitCondition(conditionIsFulfilled, null, null, null, cancellationToken);

    public void AwaitCondition(
        Func<bool> conditionIsFulfilled, TimeSpan? max, CancellationToken cancellationToken = default) =>
        AwaitCondition(conditionIsFulfilled, max, null, null, cancellationToken);

    public void AwaitCondition(
        Func<bool> conditionIsFulfilled, TimeSpan? max, string message, CancellationToken cancellationToken = default) =>
        AwaitCondition(conditionIsFulfilled, max, null, message, cancellationToken);

    public void AwaitCondition(
        Func<bool> conditionIsFulfilled, TimeSpan? max, TimeSpan? interval, string message = null,
        CancellationToken cancellationToken = default)
    {
        var limit = RemainingOrDilated(max);
        if (!AwaitConditionNoThrow(conditionIsFulfilled, limit, interval, cancellationToken))
        {
            _assertions.Fail("Timeout {0} expired while waiting for condition. {1}", limit, message ?? "");
        }
    }

    public Task AwaitConditionAsync(
        Func<Task<bool>> conditionIsFulfilled, CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(conditionIsFulfilled, null, null, null, cancellationToken);

    public Task AwaitConditionAsync(
        Func<Task<bool>> conditionIsFulfilled, TimeSpan? max, CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(conditionIsFulfilled, max, null, null, cancellationToken);

    public Task AwaitConditionAsync(
        Func<Task<bool>> conditionIsFulfilled, TimeSpan? max, string message,
        CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(conditionIsFulfilled, max, null, message, cancellationToken);

    public async Task AwaitConditionAsync(
        Func<Task<bool>> conditionIsFulfilled, TimeSpan? max, TimeSpan? interval, string message = null,
        CancellationToken cancellationToken = default)
    {
        var limit = RemainingOrDilated(max);
        if (!await AwaitConditionNoThrowAsync(conditionIsFulfilled, limit, interval, cancellationToken).ConfigureAwait(false))
        {
            _assertions.Fail("Timeout {0} expired while waiting for condition. {1}", limit, message ?? "");
        }
    }

    public bool AwaitConditionNoThrow(
        Func<bool> conditionIsFulfilled, TimeSpan max, TimeSpan? interval = null,
        CancellationToken cancellationToken = default)
    {
        var end = Now + max;
        while (!conditionIsFulfilled())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Now >= end)
            {
                return false;
            }

            Pause(Step(interval ?? TimeSpan.FromMilliseconds(100), end));
        }

        return true;
    }

    public async Task<bool> AwaitConditionNoThrowAsync(
        Func<Task<bool>> conditionIsFulfilled, TimeSpan max, TimeSpan? interval = null,
        CancellationToken cancellationToken = default)
    {
        var end = Now + max;
        while (!await conditionIsFulfilled().ConfigureAwait(false))
        {
            if (Now >= end)
            {
                return false;
            }

            await Task.Delay(Step(interval ?? TimeSpan.FromMilliseconds(100), end), cancellationToken).ConfigureAwait(false);
        }

        return true;
    }

    public void Within(
        TimeSpan max, Action action, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        Within(TimeSpan.Zero, max, action, null, epsilonValue, cancellationToken);

    public void Within(
        TimeSpan min, TimeSpan max, Action action, string hint = null, TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default) =>
        Within(
            min, max,
            () =>
            {
                action();
                return Done.Instance;
            },
            hint, epsilonValue, cancellationToken);

    public T Within<T>(
        TimeSpan max, Func<T> function, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        Within(TimeSpan.Zero, max, function, null, epsilonValue, cancellationToken);

    /// <summary>
    /// Expectations inside have the time that is left; the whole must take at least min and at most max.
    /// </summary>
    public T Within<T>(
        TimeSpan min, TimeSpan max, Func<T> function, string hint = null, TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default)
    {
        var (outer, start, limit) = EnterWithin(min, max);
        T result;
        try
        {
            result = function();
        }
        finally
        {
            _end = outer;
        }

        CheckWithin(start, min, limit, hint, epsilonValue);
        return result;
    }

    public Task WithinAsync(
        TimeSpan max, Func<Task> actionAsync, TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default) =>
        WithinAsync(TimeSpan.Zero, max, actionAsync, null, epsilonValue, cancellationToken);

    public async Task WithinAsync(
        TimeSpan min, TimeSpan max, Func<Task> actionAsync, string hint = null, TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default) =>
        await WithinAsync(
            min, max,
            async () =>
            {
                await actionAsync().ConfigureAwait(false);
                return Done.Instance;
            },
            hint, epsilonValue, cancellationToken).ConfigureAwait(false);

    public Task<T> WithinAsync<T>(
        TimeSpan max, Func<Task<T>> function, TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default) =>
        WithinAsync(TimeSpan.Zero, max, function, null, epsilonValue, cancellationToken);

    public async Task<T> WithinAsync<T>(
        TimeSpan min, TimeSpan max, Func<Task<T>> function, string hint = null, TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default)
    {
        var (outer, start, limit) = EnterWithin(min, max);
        T result;
        try
        {
            result = await function().ConfigureAwait(false);
        }
        finally
        {
            _end = outer;
        }

        CheckWithin(start, min, limit, hint, epsilonValue);
        return result;
    }

    private static TimeSpan Step(TimeSpan interval, TimeSpan end)
    {
        var left = end - Now;
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < interval ? left : interval;
    }

    private static void Pause(TimeSpan time) => Task.Delay(time).Wait();

    private (TimeSpan? Outer, TimeSpan Start, TimeSpan Limit) EnterWithin(TimeSpan min, TimeSpan max)
    {
        if (min > max)
        {
            throw new ArgumentException($"min is {min}, expected not more than max, which is {max}", nameof(min));
        }

        var start = Now;
        var outer = _end;
        var left = outer is { } end ? end - start : TimeSpan.MaxValue;
        if (left < min)
        {
            _assertions.Fail("Required min time {0} not possible, only {1} left.", min, left);
        }

        _lastWasNoMsg = false;
        var limit = Dilated(max) < left ? Dilated(max) : left;
        _end = start + limit;
        return (outer, start, limit);
    }

    private void CheckWithin(TimeSpan start, TimeSpan min, TimeSpan limit, string hint, TimeSpan? epsilon)
    {
        var elapsed = Now - start;
        var text = string.IsNullOrEmpty(hint) ? "" : $" [{hint}]";
        if (elapsed < min)
        {
            _assertions.Fail("Failed: Block took {0}, should have at least been {1}{2}", elapsed, min, text);
        }

        // A block that ended by waiting for nothing has used up its time on purpose.
        if (!_lastWasNoMsg && elapsed > limit + (epsilon ?? TimeSpan.Zero))
        {
            _assertions.Fail("Failed: Block took {0}, exceeding {1}{2}", elapsed, limit, text);
        }
    }
}
