using Akka.Actor.Internal;
using Akka.Event;

namespace Akka.Actor;

/// <summary>A mailbox for code that is no actor: send, watch and wait for what comes.</summary>
public interface IInboxable : ICanWatch
{
    IActorRef Receiver { get; }

    object Receive();

    object Receive(TimeSpan timeout);

    Task<object> ReceiveAsync();

    Task<object> ReceiveAsync(TimeSpan timeout);

    object ReceiveWhere(Predicate<object> predicate);

    object ReceiveWhere(Predicate<object> predicate, TimeSpan timeout);

    void Send(IActorRef target, object message);
}

/// <inheritdoc/>
public class Inbox : IInboxable, IDisposable
{
    private readonly ActorSystem _system;
    private readonly TimeSpan _defaultTimeout;
    private readonly object _gate = new();
    private readonly LinkedList<object> _messages = new();
    private readonly int _capacity;

    private Inbox(ActorSystem system)
    {
        var config = system.Settings.Config;
        _system = system;
        _defaultTimeout = config.GetTimeSpan("akka.actor.inbox.default-timeout", TimeSpan.FromSeconds(5));
        _capacity = config.GetInt("akka.actor.inbox.inbox-size", 1000);
        Receiver = ((ActorSystemImpl)system).SystemActorOf(Props.Create(() => new InboxActor(this)), null);
    }

    public IActorRef Receiver { get; }

    public static Inbox Create(ActorSystem system) => new(system);

    public IActorRef Watch(IActorRef subject)
    {
        Receiver.Tell(new WatchOrder(subject, null), ActorRefs.NoSender);
        return subject;
    }

    public IActorRef WatchWith(IActorRef subject, object message)
    {
        Receiver.Tell(new WatchOrder(subject, message), ActorRefs.NoSender);
        return subject;
    }

    public IActorRef Unwatch(IActorRef subject)
    {
        Receiver.Tell(new UnwatchOrder(subject), ActorRefs.NoSender);
        return subject;
    }

    public void Send(IActorRef actorRef, object message) => actorRef.Tell(message, Receiver);

    public object Receive() => Receive(_defaultTimeout);

    /// <exception cref="TimeoutException">Nothing came.</exception>
    public object Receive(TimeSpan timeout) => ReceiveWhere(static _ => true, timeout);

    public object ReceiveWhere(Predicate<object> predicate) => ReceiveWhere(predicate, _defaultTimeout);

    public object ReceiveWhere(Predicate<object> predicate, TimeSpan timeout)
    {
        var end = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        lock (_gate)
        {
            while (true)
            {
                for (var node = _messages.First; node is not null; node = node.Next)
                {
                    if (predicate(node.Value))
                    {
                        _messages.Remove(node);
                        return node.Value;
                    }
                }

                var left = end - Environment.TickCount64;
                if (left <= 0 || !Monitor.Wait(_gate, (int)Math.Min(left, int.MaxValue)))
                {
                    throw new TimeoutException(
                        $"Inbox {Receiver.Path} didn't receive a response message in specified timeout {timeout}");
                }
            }
        }
    }

    public Task<object> ReceiveAsync() => ReceiveAsync(_defaultTimeout);

    public Task<object> ReceiveAsync(TimeSpan timeout) => Task.Run(() => Receive(timeout));

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _system.Stop(Receiver);
        }
    }

    private void Put(object message)
    {
        lock (_gate)
        {
            if (_messages.Count >= _capacity)
            {
                _system.Log.Warning("Dropping message: Inbox size has been exceeded, akka.actor.inbox.inbox-size = {0}", _capacity);
                return;
            }

            _messages.AddLast(message);
            Monitor.PulseAll(_gate);
        }
    }

    private sealed record WatchOrder(IActorRef Subject, object Message) : INoSerializationVerificationNeeded;

    private sealed record UnwatchOrder(IActorRef Subject) : INoSerializationVerificationNeeded;

    private sealed class InboxActor(Inbox inbox) : ActorBase
    {
        protected override bool Receive(object message)
        {
            switch (message)
            {
                case WatchOrder { Message: null } watch:
                    Context.Watch(watch.Subject);
                    break;
                case WatchOrder watch:
                    Context.WatchWith(watch.Subject, watch.Message);
                    break;
                case UnwatchOrder unwatch:
                    Context.Unwatch(unwatch.Subject);
                    break;
                default:
                    inbox.Put(message);
                    break;
            }

            return true;
        }
    }
}
