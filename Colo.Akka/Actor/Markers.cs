namespace Akka.Actor;

/// <summary>Handled by the engine before the actor's own code.</summary>
public interface IAutoReceivedMessage;

/// <summary>Dropped by a remote side that does not trust the sender.</summary>
public interface IPossiblyHarmful;

/// <summary>Does not restart the receive timeout.</summary>
public interface INotInfluenceReceiveTimeout;

/// <summary>Left alone by <c>akka.actor.serialize-messages</c>.</summary>
public interface INoSerializationVerificationNeeded;

/// <summary>Carries another message.</summary>
public interface IWrappedMessage
{
    object Message { get; }
}

public static class WrappedMessage
{
    public static object Unwrap(object message)
    {
        while (message is IWrappedMessage wrapped)
        {
            message = wrapped.Message;
        }

        return message;
    }
}

/// <summary>Logs what it receives, when <c>akka.actor.debug.receive</c> is on.</summary>
public interface ILogReceive;

/// <summary>Gives access to the context from outside the class.</summary>
public interface IInternalActor
{
    IActorContext ActorContext { get; }
}
