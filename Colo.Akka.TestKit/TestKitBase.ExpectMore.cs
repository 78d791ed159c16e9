using Akka.Actor;

namespace Akka.TestKit;

/// <content>Expecting a message of somebody, or several messages.</content>
public abstract partial class TestKitBase
{
    public T ExpectMsgFrom<T>(
        IActorRef sender, TimeSpan? duration = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(duration, (_, s) => Same(sender, s, hint), hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgFromAsync<T>(
        IActorRef sender, TimeSpan? duration = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(duration, (_, s) => Same(sender, s, hint), hint, false, cancellationToken);

    public T ExpectMsgFrom<T>(
        IActorRef sender, T message, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both<T>(s => Same(sender, s, hint), m => Same(message, m, hint)), hint, true, cancellationToken)
            .Result;

    public ValueTask<T> ExpectMsgFromAsync<T>(
        IActorRef sender, T message, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both<T>(s => Same(sender, s, hint), m => Same(message, m, hint)), hint, false, cancellationToken);

    public T ExpectMsgFrom<T>(
        IActorRef sender, Predicate<T> isMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both<T>(s => Same(sender, s, hint), m => Fits(isMessage, m, hint)), hint, true, cancellationToken)
            .Result;

    public ValueTask<T> ExpectMsgFromAsync<T>(
        IActorRef sender, Predicate<T> isMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both<T>(s => Same(sender, s, hint), m => Fits(isMessage, m, hint)), hint, false, cancellationToken);

    public T ExpectMsgFrom<T>(
        Predicate<IActorRef> isSender, Predicate<T> isMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both<T>(s => Fits(isSender, s, hint), m => Fits(isMessage, m, hint)), hint, true, cancellationToken)
            .Result;

    public ValueTask<T> ExpectMsgFromAsync<T>(
        Predicate<IActorRef> isSender, Predicate<T> isMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both<T>(s => Fits(isSender, s, hint), m => Fits(isMessage, m, hint)), hint, false, cancellationToken);

    public T ExpectMsgFrom<T>(
        IActorRef sender, Action<T> assertMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both(s => Same(sender, s, hint), assertMessage), hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgFromAsync<T>(
        IActorRef sender, Action<T> assertMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both(s => Same(sender, s, hint), assertMessage), hint, false, cancellationToken);

    public T ExpectMsgFrom<T>(
        Action<IActorRef> assertSender, Action<T> assertMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both(assertSender, assertMessage), hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgFromAsync<T>(
        Action<IActorRef> assertSender, Action<T> assertMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, Both(assertSender, assertMessage), hint, false, cancellationToken);

    public T ExpectMsgAnyOf<T>(IEnumerable<T> messages, CancellationToken cancellationToken = default) =>
        ExpectAnyOf(messages, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgAnyOfAsync<T>(
        IEnumerable<T> messages, CancellationToken cancellationToken = default) =>
        ExpectAnyOf(messages, false, cancellationToken);

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(params T[] messages) =>
        ExpectAllOf(RemainingOrDefault, messages, true, default).Result;

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(TimeSpan max, params T[] messages) =>
        ExpectAllOf(Dilated(max), messages, true, default).Result;

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(
        IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        ExpectAllOf(RemainingOrDefault, messages, true, cancellationToken).Result;

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(
        TimeSpan max, IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        ExpectAllOf(Dilated(max), messages, true, cancellationToken).Result;

    public IAsyncEnumerable<T> ExpectMsgAllOfAsync<T>(
        IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        ExpectMsgAllOfAsync(RemainingOrDefault, messages, cancellationToken);

    public async IAsyncEnumerable<T> ExpectMsgAllOfAsync<T>(
        TimeSpan max, IReadOnlyCollection<T> messages,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var message in await ExpectAllOf(Dilated(max), messages, false, cancellationToken).ConfigureAwait(false))
        {
            yield return message;
        }
    }

    /// <summary>As many messages as predicates, each predicate met by one of them.</summary>
    public IReadOnlyCollection<object> ExpectMsgAllOfMatchingPredicates(params PredicateInfo[] predicates) =>
        ExpectMsgAllOfMatchingPredicates(TestKitSettings.SingleExpectDefault, predicates);

    public IReadOnlyCollection<object> ExpectMsgAllOfMatchingPredicates(
        TimeSpan max, params PredicateInfo[] predicates)
    {
        var received = ReceiveN(predicates.Length, Dilated(max), true, default).Result;
        var open = predicates.ToList();
        var unexpected = new List<object>();
        foreach (var message in received)
        {
            var met = open.FindIndex(p => p.Type.IsInstanceOfType(message) && p.Predicate(message));
            if (met < 0)
            {
                unexpected.Add(message);
            }
            else
            {
                open.RemoveAt(met);
            }
        }

        if (unexpected.Count > 0)
        {
            _assertions.Fail(
                "Did not match {0} predicates; unexpected messages: {1}", open.Count, string.Join(", ", unexpected));
        }

        return received;
    }

    private static Action<T, IActorRef> Both<T>(Action<IActorRef> sender, Action<T> message) => (m, s) =>
    {
        sender(s);
        message(m);
    };

    private async ValueTask<T> ExpectAnyOf<T>(IEnumerable<T> messages, bool blocking, CancellationToken cancellationToken)
    {
        var wanted = messages.ToArray();
        var limit = RemainingOrDefault;
        var envelope = await _queue.Get(limit, true, blocking, cancellationToken).ConfigureAwait(false);
        _last = envelope ?? NullMessageEnvelope.Instance;
        if (envelope is null)
        {
            _assertions.Fail("Timeout {0} during {1} waiting for [{2}]", limit, "ExpectMsgAnyOf", string.Join(",", wanted));
            return default;
        }

        if (envelope.Message is not T typed || !wanted.Contains(typed))
        {
            _assertions.Fail("Expected one of [{0}], found unexpected {1}", string.Join(",", wanted), envelope);
            return default;
        }

        return typed;
    }

    private async ValueTask<IReadOnlyCollection<T>> ExpectAllOf<T>(
        TimeSpan max, IReadOnlyCollection<T> messages, bool blocking, CancellationToken cancellationToken)
    {
        var received = await ReceiveN(messages.Count, max, blocking, cancellationToken).ConfigureAwait(false);
        var missing = messages.Where(m => !received.Contains(m)).ToArray();
        var unexpected = received.Where(m => m is not T typed || !messages.Contains(typed)).ToArray();
        if (missing.Length > 0 || unexpected.Length > 0)
        {
            _assertions.Fail(
                "Not found [{0}], found unexpected [{1}]", string.Join(", ", missing), string.Join(", ", unexpected));
        }

        return received.OfType<T>().ToArray();
    }
}

/// <summary>A condition on a message of one type.</summary>
public class PredicateInfo
{
    public PredicateInfo(Func<object, bool> predicate, Type type)
    {
        Predicate = predicate;
        Type = type;
    }

    public Func<object, bool> Predicate { get; }

    public Type Type { get; }

    public static PredicateInfo Create<T>(Predicate<T> predicate) => new(m => predicate((T)m), typeof(T));
}
