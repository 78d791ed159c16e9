namespace Akka.Actor;

/// <summary>References that stand for the absence of an actor.</summary>
public static class ActorRefs
{
    public static readonly Nobody Nobody = Nobody.Instance;

    /// <summary>Null: the message has no sender, answers go to dead letters.</summary>
    public static readonly IActorRef NoSender;
}
