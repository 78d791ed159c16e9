namespace Akka.Actor.Internal;

/// <summary>Told when its constructor has returned, before PreStart.</summary>
public interface IInitializableActor
{
    void Init();
}
