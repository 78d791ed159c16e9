using Akka.Actor;
using Akka.Remote.Serialization.Proto;
using Google.Protobuf;

namespace Akka.Remote.Serialization;

/// <summary>A message inside a message, with its own serializer.</summary>
internal static class NestedPayload
{
    /// <summary>Null becomes a payload without serializer.</summary>
    internal static Payload Wrap(ExtendedActorSystem system, object message)
    {
        if (message is null)
        {
            return new Payload();
        }

        var serializer = system.Serialization.FindSerializerFor(message);
        return new Payload
        {
            SerializerId = serializer.Identifier,
            Manifest = Akka.Serialization.Serialization.ManifestFor(serializer, message),
            Content = UnsafeByteOperations.UnsafeWrap(serializer.ToBinary(message)),
        };
    }

    internal static object Unwrap(ExtendedActorSystem system, Payload payload) =>
        payload is null || payload is { SerializerId: 0, Manifest.Length: 0, Content.IsEmpty: true }
            ? null
            : system.Serialization.Deserialize(payload.Content.ToByteArray(), payload.SerializerId, payload.Manifest);
}
