using Akka.Actor;

namespace Akka.Remote.Serialization;

/// <summary>An exception of another system whose type is not one that this system makes on behalf of a peer.</summary>
internal sealed class RemoteFailureException : AkkaException
{
    public RemoteFailureException(string remoteType, string message)
        : base($"{remoteType}: {message}")
    {
        RemoteType = remoteType;
        RemoteMessage = message;
    }

    /// <summary>The full name of the exception's type over there.</summary>
    public string RemoteType { get; }

    public string RemoteMessage { get; }
}
