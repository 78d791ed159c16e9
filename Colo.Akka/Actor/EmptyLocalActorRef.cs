using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>The reference to a path where no actor is: what is sent there becomes a dead letter.</summary>
public class EmptyLocalActorRef : MinimalActorRef
{
    private readonly IActorRefProvider _provider;
    private readonly ActorPath _path;

    public EmptyLocalActorRef(IActorRefProvider provider, ActorPath path, EventStream eventStream)
    {
        _provider = provider;
        _path = path;
        EventStream = eventStream;
    }

    public override ActorPath Path => _path;

    public override IActorRefProvider Provider => _provider;

    public override bool IsTerminated => true;

    internal EventStream EventStream { get; }

    public override void SendSystemMessage(ISystemMessage message) => SpecialHandle(message, _provider.DeadLetters);

    protected override void TellInternal(object message, IActorRef sender)
    {
        if (message is null)
        {
            throw new InvalidMessageException("Message is null.");
        }

        if (message is DeadLetter dead)
        {
            SpecialHandle(dead.Message, dead.Sender);
        }
        else if (!SpecialHandle(message, sender))
        {
            EventStream.Publish(new DeadLetter(message, sender ?? _provider.DeadLetters, this));
        }
    }

    /// <summary>True when the message needs no dead letter: it is answered or dropped here.</summary>
    protected virtual bool SpecialHandle(object message, IActorRef sender)
    {
        switch (message)
        {
            case Watch watch:
                if (watch.Watchee.Equals(this) && !watch.Watcher.Equals(this))
                {
                    watch.Watcher.SendSystemMessage(new DeathWatchNotification(watch.Watchee, false, false));
                }

                return true;
            case Unwatch:
                return true;
            case Identify identify:
                sender?.Tell(new ActorIdentity(identify.MessageId, null), this);
                return true;
            case ActorSelectionMessage selection:
                if (selection.Message is Identify wanted)
                {
                    if (!selection.WildCardFanOut)
                    {
                        sender?.Tell(new ActorIdentity(wanted.MessageId, null), this);
                    }
                }
                else if (!selection.WildCardFanOut)
                {
                    EventStream.Publish(new DeadLetter(selection.Message, sender ?? _provider.DeadLetters, this));
                }

                return true;
            case IDeadLetterSuppression suppressed:
                EventStream.Publish(new SuppressedDeadLetter(suppressed, sender ?? _provider.DeadLetters, this));
                return true;
            default:
                return false;
        }
    }
}

/// <summary>The reference to <c>/deadLetters</c>.</summary>
public class DeadLetterActorRef : EmptyLocalActorRef
{
    public DeadLetterActorRef(IActorRefProvider provider, ActorPath path, EventStream eventStream)
        : base(provider, path, eventStream)
    {
    }

    protected override void TellInternal(object message, IActorRef sender)
    {
        switch (message)
        {
            case null:
                throw new InvalidMessageException("Message is null.");
            case Identify identify:
                sender?.Tell(new ActorIdentity(identify.MessageId, this), this);
                break;
            case DeadLetter dead:
                if (!SpecialHandle(dead.Message, dead.Sender))
                {
                    EventStream.Publish(dead);
                }

                break;
            default:
                if (!SpecialHandle(message, sender))
                {
                    EventStream.Publish(new DeadLetter(message, sender ?? Provider.DeadLetters, this));
                }

                break;
        }
    }

    protected override bool SpecialHandle(object message, IActorRef sender)
    {
        switch (message)
        {
            case Watch watch:
                if (!watch.Watchee.Equals(this) && !watch.Watcher.Equals(this))
                {
                    watch.Watcher.SendSystemMessage(new DeathWatchNotification(watch.Watchee, false, false));
                }

                return true;
            case ISystemMessage:
                // Orders about the life of an actor that is no more: there is nothing to tell anybody.
                return true;
            default:
                return base.SpecialHandle(message, sender);
        }
    }
}

/// <summary>The reference to <c>/ignore</c>: messages vanish.</summary>
internal sealed class IgnoreActorRef(IActorRefProvider provider, ActorPath path) : MinimalActorRef
{
    public override ActorPath Path => path;

    public override IActorRefProvider Provider => provider;
}
