namespace Akka.Actor;

/// <summary>Makes actor instances in place of their constructor.</summary>
public interface IIndirectActorProducer
{
    Type ActorType { get; }

    ActorBase Produce();

    void Release(ActorBase actor);
}
