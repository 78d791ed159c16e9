using Akka.Actor;

namespace Akka.Remote;

/// <summary>A message is larger than <c>maximum-frame-size</c> allows. It is logged and the message dropped.</summary>
public class OversizedPayloadException : AkkaException
{
    public OversizedPayloadException(string message)
        : base(message)
    {
    }
}
