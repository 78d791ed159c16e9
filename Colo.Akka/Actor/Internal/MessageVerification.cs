namespace Akka.Actor.Internal;

/// <summary>
/// <c>akka.actor.serialize-messages</c>: local messages go through their serializer, to find those that cannot.
/// </summary>
internal static class MessageVerification
{
    public static object Copy(ActorSystemImpl system, IActorRef receiver, object message)
    {
        var payload = message is Event.AllDeadLetters dead ? dead.Message : WrappedMessage.Unwrap(message);
        if (payload is INoSerializationVerificationNeeded || payload is null || receiver.Path.Elements is ["system", ..])
        {
            return message;
        }

        var serializer = system.Serialization.FindSerializerFor(payload);
        var bytes = serializer.ToBinary(payload);
        var manifest = Akka.Serialization.Serialization.ManifestFor(serializer, payload);
        var copy = system.Serialization.Deserialize(bytes, serializer.Identifier, manifest);
        return ReferenceEquals(payload, message) ? copy : message;
    }
}
