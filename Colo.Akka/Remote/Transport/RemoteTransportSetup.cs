using Akka.Actor;
using Akka.Actor.Setup;

namespace Akka.Remote.Transport;

/// <summary>Gives a system another transport than TCP: the simulated network.</summary>
internal sealed class RemoteTransportSetup(Func<ExtendedActorSystem, ITransport> create) : Setup
{
    internal Func<ExtendedActorSystem, ITransport> Create { get; } = create;
}
