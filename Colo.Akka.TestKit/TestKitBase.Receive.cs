namespace Akka.TestKit;

/// <content>Taking messages from the queue.</content>
public abstract partial class TestKitBase
{
    /// <summary>The next message, or null when none comes in time.</summary>
    public object ReceiveOne(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        Take(max, true, true, cancellationToken).Result?.Message;

    public async ValueTask<object> ReceiveOneAsync(
        TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        (await Take(max, true, false, cancellationToken).ConfigureAwait(false))?.Message;

    public bool TryReceiveOne(
        out MessageEnvelope envelope, TimeSpan? max = null, CancellationToken cancellationToken = default)
    {
        var taken = Take(max, true, true, cancellationToken).Result;
        envelope = taken ?? NullMessageEnvelope.Instance;
        return taken is not null;
    }

    public async ValueTask<(bool success, MessageEnvelope envelope)> TryReceiveOneAsync(
        TimeSpan? max, CancellationToken cancellationToken = default)
    {
        var taken = await Take(max, true, false, cancellationToken).ConfigureAwait(false);
        return (taken is not null, taken ?? NullMessageEnvelope.Instance);
    }

    public object PeekOne(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        Take(max, false, true, cancellationToken).Result?.Message;

    public object PeekOne(CancellationToken cancellationToken) => PeekOne(null, cancellationToken);

    public async ValueTask<object> PeekOneAsync(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        (await Take(max, false, false, cancellationToken).ConfigureAwait(false))?.Message;

    public bool TryPeekOne(out MessageEnvelope envelope, TimeSpan? max, CancellationToken cancellationToken)
    {
        var seen = Take(max, false, true, cancellationToken).Result;
        envelope = seen ?? NullMessageEnvelope.Instance;
        return seen is not null;
    }

    public async ValueTask<(bool success, MessageEnvelope envelope)> TryPeekOneAsync(
        TimeSpan? max, CancellationToken cancellationToken)
    {
        var seen = await Take(max, false, false, cancellationToken).ConfigureAwait(false);
        return (seen is not null, seen ?? NullMessageEnvelope.Instance);
    }

    public IReadOnlyCollection<object> ReceiveN(int numberOfMessages, CancellationToken cancellationToken = default) =>
        ReceiveN(numberOfMessages, RemainingOrDefault, true, cancellationToken).Result;

    public IReadOnlyCollection<object> ReceiveN(
        int numberOfMessages, TimeSpan max, CancellationToken cancellationToken = default) =>
        ReceiveN(numberOfMessages, Dilated(max), true, cancellationToken).Result;

    public IAsyncEnumerable<object> ReceiveNAsync(
        int numberOfMessages, CancellationToken cancellationToken = default) =>
        ReceiveNAsync(numberOfMessages, RemainingOrDefault, cancellationToken);

    public async IAsyncEnumerable<object> ReceiveNAsync(
        int numberOfMessages, TimeSpan max,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var all = await ReceiveN(numberOfMessages, max, false, cancellationToken).ConfigureAwait(false);
        foreach (var message in all)
        {
            yield return message;
        }
    }

    public IReadOnlyList<T> ReceiveWhile<T>(
        TimeSpan? max, Func<object, T> filter, int msgs = int.MaxValue, CancellationToken cancellationToken = default)
        where T : class => ReceiveWhile(filter, max, Timeout.InfiniteTimeSpan, msgs, cancellationToken);

    public IReadOnlyList<T> ReceiveWhile<T>(
        TimeSpan? max, TimeSpan? idle, Func<object, T> filter, int msgs = int.MaxValue,
        CancellationToken cancellationToken = default)
        where T : class => ReceiveWhile(filter, max, idle, msgs, cancellationToken);

    /// <summary>
    /// As long as the filter returns something. The message for which it returns null stays in the queue.
    /// </summary>
    public IReadOnlyList<T> ReceiveWhile<T>(
        Func<object, T> filter, TimeSpan? max = null, TimeSpan? idle = null, int msgs = int.MaxValue,
        CancellationToken cancellationToken = default)
        where T : class => ReceiveWhileCore(filter, max, idle, msgs, true, cancellationToken).Result;

    public IReadOnlyList<T> ReceiveWhile<T>(
        Predicate<T> shouldContinue, TimeSpan? max = null, TimeSpan? idle = null, int msgs = int.MaxValue,
        bool shouldIgnoreOtherMessageTypes = true, CancellationToken cancellationToken = default)
        where T : class => ReceiveWhileCore(
            message => Accept(message, shouldContinue, shouldIgnoreOtherMessageTypes), max, idle, msgs, true,
            cancellationToken).Result.OfType<T>().ToList();

    public async IAsyncEnumerable<T> ReceiveWhileAsync<T>(
        Func<object, T> filter, TimeSpan? max = null, TimeSpan? idle = null, int msgs = int.MaxValue,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
        where T : class
    {
        foreach (var item in await ReceiveWhileCore(filter, max, idle, msgs, false, cancellationToken).ConfigureAwait(false))
        {
            yield return item;
        }
    }

    public async IAsyncEnumerable<T> ReceiveWhileAsync<T>(
        Predicate<T> shouldContinue, TimeSpan? max = null, TimeSpan? idle = null, int msgs = int.MaxValue,
        bool shouldIgnoreOtherMessageTypes = true,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
        where T : class
    {
        var all = await ReceiveWhileCore(
            message => Accept(message, shouldContinue, shouldIgnoreOtherMessageTypes), max, idle, msgs, false,
            cancellationToken).ConfigureAwait(false);
        foreach (var item in all.OfType<T>())
        {
            yield return item;
        }
    }

    public object FishForMessage(
        Predicate<object> isMessage, TimeSpan? max = null, string hint = "",
        CancellationToken cancellationToken = default) => FishForMessage<object>(isMessage, max, hint, cancellationToken);

    /// <summary>The first message that fits; what comes before it is dropped.</summary>
    public T FishForMessage<T>(
        Predicate<T> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default) =>
        Fish(isMessage, null, max, hint, true, cancellationToken).Result;

    public T FishForMessage<T>(
        Predicate<T> isMessage, System.Collections.ArrayList allMessages, TimeSpan? max = null, string hint = "",
        CancellationToken cancellationToken = default) =>
        Fish(isMessage, allMessages, max, hint, true, cancellationToken).Result;

    public ValueTask<object> FishForMessageAsync(
        Predicate<object> isMessage, TimeSpan? max = null, string hint = "",
        CancellationToken cancellationToken = default) => Fish(isMessage, null, max, hint, false, cancellationToken);

    public ValueTask<T> FishForMessageAsync<T>(
        Predicate<T> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default) =>
        Fish(isMessage, null, max, hint, false, cancellationToken);

    public ValueTask<T> FishForMessageAsync<T>(
        Predicate<T> isMessage, System.Collections.ArrayList allMessages, TimeSpan? max = null, string hint = "",
        CancellationToken cancellationToken = default) =>
        Fish(isMessage, allMessages, max, hint, false, cancellationToken);

    public async Task FishUntilMessageAsync<T>(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        await Fish<T>(static _ => true, null, max, "", false, cancellationToken).ConfigureAwait(false);

    /// <summary>Waits until no message comes for the time; returns those that came before.</summary>
    public async Task<System.Collections.ArrayList> WaitForRadioSilenceAsync(
        TimeSpan? max = null, uint? maxMessages = null, CancellationToken cancellationToken = default)
    {
        var received = new System.Collections.ArrayList();
        while (await ReceiveOneAsync(max, cancellationToken).ConfigureAwait(false) is { } message)
        {
            received.Add(message);
            if (received.Count > maxMessages)
            {
                _assertions.Fail("Too many messages: {0}, expected silence after at most {1}", received.Count, maxMessages);
            }
        }

        return received;
    }

    private static object Accept<T>(object message, Predicate<T> shouldContinue, bool skipOthers)
        where T : class => message switch
        {
            T typed => shouldContinue(typed) ? typed : null,
            _ => skipOthers ? Skipped.Instance : null,
        };

    private async ValueTask<MessageEnvelope> Take(
        TimeSpan? max, bool take, bool blocking, CancellationToken cancellationToken)
    {
        var envelope = await _queue.Get(RemainingOrDilated(max), take, blocking, cancellationToken).ConfigureAwait(false);
        _lastWasNoMsg = false;
        _last = envelope ?? NullMessageEnvelope.Instance;
        return envelope;
    }

    private async ValueTask<IReadOnlyCollection<object>> ReceiveN(
        int count, TimeSpan max, bool blocking, CancellationToken cancellationToken)
    {
        var end = Now + max;
        var received = new List<object>();
        while (received.Count < count)
        {
            var envelope = await _queue.Get(Positive(end - Now), true, blocking, cancellationToken).ConfigureAwait(false);
            if (envelope is null)
            {
                _assertions.Fail(
                    "Timeout ({0}) while expecting {1} messages. Only got {2} after {0}.", max, count, received.Count);
                break;
            }

            _last = envelope;
            received.Add(envelope.Message);
        }

        return received;
    }

    private async ValueTask<IReadOnlyList<T>> ReceiveWhileCore<T>(
        Func<object, T> filter, TimeSpan? max, TimeSpan? idle, int limit, bool blocking,
        CancellationToken cancellationToken)
        where T : class
    {
        var end = Now + RemainingOrDilated(max);
        var pause = idle is { } given && given >= TimeSpan.Zero ? given : TimeSpan.MaxValue;
        var items = new List<T>();
        while (items.Count < limit)
        {
            var left = Positive(end - Now);
            var envelope = await _queue.Get(left < pause ? left : pause, true, blocking, cancellationToken)
                .ConfigureAwait(false);
            if (envelope is null)
            {
                break;
            }

            var item = filter(envelope.Message);
            if (item is null)
            {
                _queue.AddFirst(envelope);
                break;
            }

            _last = envelope;
            items.Add(item);
        }

        _lastWasNoMsg = true;
        return items;
    }

    private async ValueTask<T> Fish<T>(
        Predicate<T> isMessage, System.Collections.ArrayList all, TimeSpan? max, string hint, bool blocking,
        CancellationToken cancellationToken)
    {
        var limit = RemainingOrDilated(max);
        var end = Now + limit;
        while (true)
        {
            var envelope = await _queue.Get(Positive(end - Now), true, blocking, cancellationToken).ConfigureAwait(false);
            if (envelope is null)
            {
                _assertions.Fail("Timeout ({0}) during fishForMessage, hint {1}", limit, hint);
                return default;
            }

            _last = envelope;
            if (envelope.Message is T typed && isMessage(typed))
            {
                return typed;
            }

            all?.Add(envelope.Message);
        }
    }

    private sealed class Skipped
    {
        public static readonly Skipped Instance = new();
    }
}
