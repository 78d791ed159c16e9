using Akka.Actor;
using Akka.Actor.Internal;

namespace Akka.Event;

/// <summary>
/// The bus of a system for everything that is not a message between two actors. A subscriber gets the events of a type,
/// its subtypes and the types that implement it; one that has stopped is dropped.
/// </summary>
public class EventStream : LoggingBus
{
    private readonly bool _debug;
    private volatile bool _deadLettersMuted;
    private volatile IActorRef _unsubscriber;

    public EventStream(bool debug) => _debug = debug;

    internal bool DeadLettersMuted => _deadLettersMuted;

    public override bool Subscribe(IActorRef subscriber, Type channel)
    {
        ArgumentNullException.ThrowIfNull(subscriber);
        ArgumentNullException.ThrowIfNull(channel);
        _unsubscriber?.Tell(new EventStreamUnsubscriber.Follow(subscriber), ActorRefs.NoSender);
        DebugNote("subscribing {0} to channel {1}", subscriber, channel);
        return base.Subscribe(subscriber, channel);
    }

    public override bool Unsubscribe(IActorRef subscriber, Type channel)
    {
        ArgumentNullException.ThrowIfNull(subscriber);
        DebugNote("unsubscribing {0} from channel {1}", subscriber, channel);
        return base.Unsubscribe(subscriber, channel);
    }

    public override bool Unsubscribe(IActorRef subscriber)
    {
        ArgumentNullException.ThrowIfNull(subscriber);
        DebugNote("unsubscribing {0} from all channels{1}", subscriber, "");
        return base.Unsubscribe(subscriber);
    }

    /// <summary>Starts the actor that watches the subscribers.</summary>
    public void StartUnsubscriber(ActorSystemImpl system)
    {
        _unsubscriber = system.SystemActorOf(
            Props.Create<EventStreamUnsubscriber>(this), "eventStreamUnsubscriber");
        foreach (var logger in Loggers())
        {
            _unsubscriber.Tell(new EventStreamUnsubscriber.Follow(logger), ActorRefs.NoSender);
        }
    }

    internal void MuteDeadLetterLog() => _deadLettersMuted = true;

    private void DebugNote(string format, IActorRef subscriber, object rest)
    {
        if (_debug)
        {
            Publish(new Debug(nameof(EventStream), GetType(), string.Format(format, subscriber, rest)));
        }
    }
}

public static class EventStreamExtensions
{
    public static bool Subscribe<TChannel>(this EventStream eventStream, IActorRef subscriber) =>
        eventStream.Subscribe(subscriber, typeof(TChannel));

    public static bool Unsubscribe<TChannel>(this EventStream eventStream, IActorRef subscriber) =>
        eventStream.Unsubscribe(subscriber, typeof(TChannel));
}

/// <summary>Drops subscribers that have stopped.</summary>
internal sealed class EventStreamUnsubscriber(EventStream stream) : ActorBase
{
    protected override bool Receive(object message)
    {
        switch (message)
        {
            case Follow follow when follow.Subscriber is not MinimalActorRef:
                Context.Watch(follow.Subscriber);
                return true;
            case Terminated terminated:
                stream.RemoveLogger(terminated.ActorRef);
                return true;
            default:
                return message is Follow;
        }
    }

    internal sealed record Follow(IActorRef Subscriber) : INoSerializationVerificationNeeded;
}
