using Akka.Actor;

namespace Akka.TestKit;

/// <content>Expecting one message.</content>
public abstract partial class TestKitBase
{
    public T ExpectMsg<T>(
        TimeSpan? duration = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(duration, null, hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgAsync<T>(
        TimeSpan? duration = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(duration, null, hint, false, cancellationToken);

    public T ExpectMsg<T>(
        T message, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, _) => Same(message, m, hint), hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgAsync<T>(
        T message, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, _) => Same(message, m, hint), hint, false, cancellationToken);

    public T ExpectMsg<T>(
        Predicate<T> isMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, _) => Fits(isMessage, m, hint), hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgAsync<T>(
        Predicate<T> isMessage, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, _) => Fits(isMessage, m, hint), hint, false, cancellationToken);

    public T ExpectMsg<T>(
        Action<T> assert, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, _) => assert(m), hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgAsync<T>(
        Action<T> assert, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, _) => assert(m), hint, false, cancellationToken);

    public T ExpectMsg<T>(
        Func<T, IActorRef, bool> isMessageAndSender, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, s) => Fits(_ => isMessageAndSender(m, s), m, hint), hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgAsync<T>(
        Func<T, IActorRef, bool> isMessageAndSender, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, s) => Fits(_ => isMessageAndSender(m, s), m, hint), hint, false, cancellationToken);

    public T ExpectMsg<T>(
        Action<T, IActorRef> assertMessageAndSender, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect(timeout, assertMessageAndSender, hint, true, cancellationToken).Result;

    public ValueTask<T> ExpectMsgAsync<T>(
        Action<T, IActorRef> assertMessageAndSender, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect(timeout, assertMessageAndSender, hint, false, cancellationToken);

    public T ExpectMsg<T>(
        T expected, Func<T, T, bool> comparer, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, _) => _assertions.AssertEqual(expected, m, comparer, hint ?? ""), hint, true, cancellationToken)
            .Result;

    public ValueTask<T> ExpectMsgAsync<T>(
        T expected, Func<T, T, bool> comparer, TimeSpan? timeout = null, string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, (m, _) => _assertions.AssertEqual(expected, m, comparer, hint ?? ""), hint, false, cancellationToken);

    public Terminated ExpectTerminated(
        IActorRef target, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<Terminated>(timeout, (m, _) => Same(target, m.ActorRef, hint), hint, true, cancellationToken).Result;

    public ValueTask<Terminated> ExpectTerminatedAsync(
        IActorRef target, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<Terminated>(timeout, (m, _) => Same(target, m.ActorRef, hint), hint, false, cancellationToken);

    public void ExpectNoMsg(CancellationToken cancellationToken = default) =>
        ExpectNone(RemainingOrDefault, true, cancellationToken).GetAwaiter().GetResult();

    public void ExpectNoMsg(TimeSpan duration, CancellationToken cancellationToken = default) =>
        ExpectNone(Dilated(duration), true, cancellationToken).GetAwaiter().GetResult();

    public void ExpectNoMsg(int milliseconds, CancellationToken cancellationToken = default) =>
        ExpectNoMsg(TimeSpan.FromMilliseconds(milliseconds), cancellationToken);

    public ValueTask ExpectNoMsgAsync(CancellationToken cancellationToken = default) =>
        ExpectNone(RemainingOrDefault, false, cancellationToken);

    public ValueTask ExpectNoMsgAsync(TimeSpan duration, CancellationToken cancellationToken = default) =>
        ExpectNone(Dilated(duration), false, cancellationToken);

    public ValueTask ExpectNoMsgAsync(int milliseconds, CancellationToken cancellationToken = default) =>
        ExpectNoMsgAsync(TimeSpan.FromMilliseconds(milliseconds), cancellationToken);

    private async ValueTask<T> Expect<T>(
        TimeSpan? timeout, Action<T, IActorRef> assert, string hint, bool blocking, CancellationToken cancellationToken)
    {
        var limit = RemainingOrDilated(timeout);
        var envelope = await _queue.Get(limit, true, blocking, cancellationToken).ConfigureAwait(false);
        _lastWasNoMsg = false;
        _last = envelope ?? NullMessageEnvelope.Instance;
        if (envelope is null)
        {
            _assertions.Fail(
                "Failed: Timeout {0} while waiting for a message of type {1} {2}", limit, typeof(T), hint ?? "");
            return default;
        }

        if (envelope.Message is not T && !(envelope.Message is null && default(T) is null))
        {
            _assertions.Fail(
                "Failed: Expected a message of type {0}, but received {{{1}}} (type {2}) instead {3} from {4}",
                typeof(T), envelope.Message, envelope.Message?.GetType(), hint ?? "", envelope.Sender);
        }

        var message = (T)envelope.Message;
        assert?.Invoke(message, envelope.Sender);
        return message;
    }

    private async ValueTask ExpectNone(TimeSpan time, bool blocking, CancellationToken cancellationToken)
    {
        var envelope = await _queue.Get(time, true, blocking, cancellationToken).ConfigureAwait(false);
        _lastWasNoMsg = true;
        _last = envelope ?? NullMessageEnvelope.Instance;
        if (envelope is not null)
        {
            _assertions.Fail(
                "Failed: Expected no messages during {0}, instead we received {1} after some time", time, envelope);
        }
    }

    private void Same<T>(T expected, T actual, string hint) => _assertions.AssertEqual(expected, actual, hint ?? "");

    private void Fits<T>(Predicate<T> isMessage, T message, string hint) => _assertions.AssertTrue(
        isMessage(message), "Got a message of the expected type <{2}> from {4}. Also expected {0} but the message {{{1}}} of type <{3}> did not match",
        hint ?? "the predicate to return true", message, typeof(T).FullName, message?.GetType().FullName, _last.Sender);
}
