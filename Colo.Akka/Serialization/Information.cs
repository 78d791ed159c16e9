using Akka.Actor;

namespace Akka.Serialization;

/// <summary>Under which address, of which system, references are written just now.</summary>
public sealed class Information
{
    public Information(Address address, ActorSystem system)
    {
        Address = address;
        System = system;
    }

    public Address Address { get; }

    public ActorSystem System { get; }
}
