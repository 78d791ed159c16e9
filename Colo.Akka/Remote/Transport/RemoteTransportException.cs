using Akka.Actor;

namespace Akka.Remote.Transport;

/// <summary>The transport cannot start.</summary>
public class RemoteTransportException : AkkaException
{
    public RemoteTransportException(string message, Exception cause = null)
        : base(message, cause)
    {
    }
}
