namespace Akka.Actor;

/// <summary>The path above all others of one system.</summary>
public sealed class RootActorPath : ActorPath
{
    public RootActorPath(Address address, string name = "")
        : base(address, name)
    {
    }
}
