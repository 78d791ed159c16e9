namespace Akka.Actor;

/// <summary>Makes actors and looks them up.</summary>
public interface IActorRefFactory
{
    /// <exception cref="InvalidActorNameException">
    /// The name is taken or has a character that a path cannot carry.
    /// </exception>
    IActorRef ActorOf(Props props, string name = null);

    ActorSelection ActorSelection(ActorPath actorPath);

    ActorSelection ActorSelection(string actorPath);
}

/// <summary>Follows the life of other actors.</summary>
public interface ICanWatch
{
    /// <summary>
    /// A <see cref="Terminated"/> arrives when <paramref name="subject"/> has stopped, also when it already has.
    /// </summary>
    IActorRef Watch(IActorRef subject);

    IActorRef WatchWith(IActorRef subject, object message);

    IActorRef Unwatch(IActorRef subject);
}
