using Akka.Actor;

namespace Akka.TestKit;

/// <summary>Runs code and counts the expected log events, which are not printed meanwhile.</summary>
public interface IEventFilterApplier
{
    /// <summary>Adds another kind of event; each counts.</summary>
    EventFilterFactory And { get; }

    void ExpectOne(Action action, CancellationToken cancellationToken = default);

    Task ExpectOneAsync(Action action, CancellationToken cancellationToken = default);

    Task ExpectOneAsync(Func<Task> actionAsync, CancellationToken cancellationToken = default);

    void ExpectOne(TimeSpan timeout, Action action, CancellationToken cancellationToken = default);

    Task ExpectOneAsync(TimeSpan timeout, Action action, CancellationToken cancellationToken = default);

    Task ExpectOneAsync(TimeSpan timeout, Func<Task> actionAsync, CancellationToken cancellationToken = default);

    void Expect(int expectedCount, Action action, CancellationToken cancellationToken = default);

    Task ExpectAsync(int expectedCount, Action action, CancellationToken cancellationToken = default);

    Task ExpectAsync(int expectedCount, Func<Task> actionAsync, CancellationToken cancellationToken = default);

    void Expect(int expectedCount, TimeSpan timeout, Action action, CancellationToken cancellationToken = default);

    Task ExpectAsync(
        int expectedCount, TimeSpan timeout, Func<Task> actionAsync, CancellationToken cancellationToken = default);

    T ExpectOne<T>(Func<T> func, CancellationToken cancellationToken = default);

    Task<T> ExpectOneAsync<T>(Func<Task<T>> func, CancellationToken cancellationToken = default);

    T ExpectOne<T>(TimeSpan timeout, Func<T> func, CancellationToken cancellationToken = default);

    T Expect<T>(int expectedCount, Func<T> func, CancellationToken cancellationToken = default);

    Task<T> ExpectAsync<T>(int expectedCount, Func<Task<T>> func, CancellationToken cancellationToken = default);

    T Expect<T>(int expectedCount, TimeSpan timeout, Func<T> func, CancellationToken cancellationToken = default);

    void Mute(Action action, CancellationToken cancellationToken = default);

    Task MuteAsync(Func<Task> action, CancellationToken cancellationToken = default);

    T Mute<T>(Func<T> func, CancellationToken cancellationToken = default);

    Task<T> MuteAsync<T>(Func<Task<T>> func, CancellationToken cancellationToken = default);

    /// <summary>From now until the result is disposed.</summary>
    IUnmutableFilter Mute();
}

public interface IUnmutableFilter : IDisposable
{
    void Unmute();
}

internal sealed class InternalEventFilterApplier(TestKitBase testkit, ActorSystem system, EventFilterBase[] filters)
    : IEventFilterApplier
{
    public EventFilterFactory And => new(testkit, system, filters);

    private TimeSpan Leeway => testkit.Dilated(testkit.TestKitSettings.TestEventFilterLeeway);

    public void ExpectOne(Action action, CancellationToken cancellationToken = default) =>
        Expect(1, Leeway, action, cancellationToken);

    public Task ExpectOneAsync(Action action, CancellationToken cancellationToken = default) =>
        Run(1, Leeway, Plain(action), cancellationToken);

    public Task ExpectOneAsync(Func<Task> actionAsync, CancellationToken cancellationToken = default) =>
        Run(1, Leeway, Plain(actionAsync), cancellationToken);

    public void ExpectOne(TimeSpan timeout, Action action, CancellationToken cancellationToken = default) =>
        Expect(1, timeout, action, cancellationToken);

    public Task ExpectOneAsync(TimeSpan timeout, Action action, CancellationToken cancellationToken = default) =>
        Run(1, timeout, Plain(action), cancellationToken);

    public Task ExpectOneAsync(
        TimeSpan timeout, Func<Task> actionAsync, CancellationToken cancellationToken = default) =>
        Run(1, timeout, Plain(actionAsync), cancellationToken);

    public void Expect(int expectedCount, Action action, CancellationToken cancellationToken = default) =>
        Expect(expectedCount, Leeway, action, cancellationToken);

    public Task ExpectAsync(int expectedCount, Action action, CancellationToken cancellationToken = default) =>
        Run(expectedCount, Leeway, Plain(action), cancellationToken);

    public Task ExpectAsync(int expectedCount, Func<Task> actionAsync, CancellationToken cancellationToken = default) =>
        Run(expectedCount, Leeway, Plain(actionAsync), cancellationToken);

    public void Expect(
        int expectedCount, TimeSpan timeout, Action action, CancellationToken cancellationToken = default) =>
        Run(expectedCount, timeout, Plain(action), cancellationToken).GetAwaiter().GetResult();

    public Task ExpectAsync(
        int expectedCount, TimeSpan timeout, Func<Task> actionAsync, CancellationToken cancellationToken = default) =>
        Run(expectedCount, timeout, Plain(actionAsync), cancellationToken);

    public T ExpectOne<T>(Func<T> func, CancellationToken cancellationToken = default) =>
        Expect(1, Leeway, func, cancellationToken);

    public Task<T> ExpectOneAsync<T>(Func<Task<T>> func, CancellationToken cancellationToken = default) =>
        Run(1, Leeway, func, cancellationToken);

    public T ExpectOne<T>(TimeSpan timeout, Func<T> func, CancellationToken cancellationToken = default) =>
        Expect(1, timeout, func, cancellationToken);

    public T Expect<T>(int expectedCount, Func<T> func, CancellationToken cancellationToken = default) =>
        Expect(expectedCount, Leeway, func, cancellationToken);

    public Task<T> ExpectAsync<T>(
        int expectedCount, Func<Task<T>> func, CancellationToken cancellationToken = default) =>
        Run(expectedCount, Leeway, func, cancellationToken);

    public T Expect<T>(
        int expectedCount, TimeSpan timeout, Func<T> func, CancellationToken cancellationToken = default) =>
        Run(expectedCount, timeout, () => Task.FromResult(func()), cancellationToken).GetAwaiter().GetResult();

    public void Mute(Action action, CancellationToken cancellationToken = default)
    {
        using (Mute())
        {
            action();
        }
    }

    public async Task MuteAsync(Func<Task> action, CancellationToken cancellationToken = default)
    {
        using (Mute())
        {
            await action().ConfigureAwait(false);
        }
    }

    public T Mute<T>(Func<T> func, CancellationToken cancellationToken = default)
    {
        using (Mute())
        {
            return func();
        }
    }

    public async Task<T> MuteAsync<T>(Func<Task<T>> func, CancellationToken cancellationToken = default)
    {
        using (Mute())
        {
            return await func().ConfigureAwait(false);
        }
    }

    public IUnmutableFilter Mute()
    {
        foreach (var filter in filters)
        {
            filter.Reset();
        }

        system.EventStream.Publish(new TestEvent.Mute(filters));
        return new Unmutable(system, filters);
    }

    private static Func<Task<Done>> Plain(Action action) => () =>
    {
        action();
        return Task.FromResult(Done.Instance);
    };

    private static Func<Task<Done>> Plain(Func<Task> action) => async () =>
    {
        await action().ConfigureAwait(false);
        return Done.Instance;
    };

    private async Task<T> Run<T>(int count, TimeSpan timeout, Func<Task<T>> action, CancellationToken cancellationToken)
    {
        using var mute = Mute();
        var result = await action().ConfigureAwait(false);
        if (count == 0)
        {
            // Nothing is expected: a short time in which it does not come is all that can be had.
            await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken).ConfigureAwait(false);
        }
        else
        {
            try
            {
                await Reached(count).WaitAsync(timeout, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                testkit.Assertions.Fail(
                    "Timeout ({0}) while waiting for messages. Only received {1}/{2} messages that matched filter [{3}]",
                    timeout, Matched(), count, string.Join<EventFilterBase>(", ", filters));
            }
        }

        if (Matched() > count)
        {
            testkit.Assertions.Fail(
                "Received {0} messages that matched filter [{1}], expected {2}", Matched(),
                string.Join<EventFilterBase>(", ", filters), count);
        }

        return result;
    }

    private int Matched() => filters.Sum(f => f.Matched);

    private async Task Reached(int count)
    {
        while (true)
        {
            // One look decides both whether to wait and for what. A second look could already count an event that
            // the first did not, and the wait would be for one more than is to come.
            var seen = Array.ConvertAll(filters, f => f.Matched);
            if (seen.Sum() >= count)
            {
                return;
            }

            await Task.WhenAny(filters.Select((f, i) => f.AwaitMatches(seen[i] + 1))).ConfigureAwait(false);
        }
    }

    private sealed class Unmutable(ActorSystem system, EventFilterBase[] filters) : IUnmutableFilter
    {
        private bool _done;

        public void Unmute()
        {
            if (!_done)
            {
                _done = true;
                system.EventStream.Publish(new TestEvent.Unmute(filters));
            }
        }

        public void Dispose() => Unmute();
    }
}
