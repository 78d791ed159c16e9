using Akka.Actor;

namespace Akka.Remote.Transport;

/// <summary>
/// Carries frames between systems. Two implementations: TCP, and the simulated network in which every delay and loss is
/// drawn from a seed. A transport calls back on threads of its own; everything above it must bear that.
/// </summary>
internal interface ITransport
{
    /// <summary>The scheme of addresses, such as <c>akka.tcp</c>.</summary>
    string Protocol { get; }

    /// <summary>Starts to accept links and answers with the address that peers are to use.</summary>
    /// <exception cref="RemoteTransportException">The address cannot be bound.</exception>
    Address Listen(string systemName, ILinkAcceptor acceptor);

    /// <summary>Opens a link. The handler hears <see cref="ILinkHandler.Opened"/> or <see cref="ILinkHandler.Closed"/>,
    /// never both first.</summary>
    void Connect(Address remote, ILinkHandler handler);

    /// <summary>Stops accepting, closes every link after what was flushed is written or <paramref name="patience"/> is
    /// over.</summary>
    Task ShutdownAsync(TimeSpan patience);
}
