using Akka.Util;

namespace Akka.Actor;

/// <summary>Something that a message can be sent to.</summary>
public interface ICanTell
{
    /// <summary>
    /// Sends at most once and returns at once. Messages of one sender to one receiver keep their order.
    /// </summary>
    void Tell(object message, IActorRef sender);
}

/// <summary>
/// A handle to an actor. Equal when path and incarnation are. It stays valid when the actor restarts, and leads to dead
/// letters when the actor has stopped.
/// </summary>
public interface IActorRef : ICanTell, IEquatable<IActorRef>, IComparable<IActorRef>, ISurrogated, IComparable
{
    ActorPath Path { get; }
}

/// <summary>Says whether a reference points into this process.</summary>
public interface IActorRefScope
{
    bool IsLocal { get; }
}
