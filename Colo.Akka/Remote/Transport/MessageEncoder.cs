using System.Buffers;
using Akka.Actor;
using Akka.Event;
using Akka.Serialization;

namespace Akka.Remote.Transport;

/// <summary>Serializes messages into one link. Names that repeat travel once; a message that cannot be sent is logged
/// and dropped.</summary>
internal sealed class MessageEncoder(Remoting remoting, IBufferWriter<byte> output)
{
    private readonly OutboundNames<RemoteActorRef> _recipients = new(ReferenceComparer<RemoteActorRef>.Instance);
    private readonly OutboundNames<IActorRef> _senders = new(ReferenceComparer<IActorRef>.Instance);
    private readonly OutboundNames<string> _manifests = new(StringComparer.Ordinal);
    private readonly Func<RemoteActorRef, string> _recipientPath = static recipient => recipient.WirePath;
    private readonly Func<IActorRef, string> _senderPath =
        sender => sender.Path.ToSerializationFormatWithAddress(remoting.LocalAddress);

    private Type _lastType;
    private Serializer _lastSerializer;

    /// <summary>While this is held, references inside messages are written with this system's address.</summary>
    internal TransportScope Enter() => new(remoting);

    internal void Write(in OutboundMessage message)
    {
        try
        {
            var serializer = SerializerFor(message.Message);
            var payload = serializer.ToBinary(message.Message);
            var limit = remoting.MaximumPayloadSize;
            if (payload.Length > limit)
            {
                throw new OversizedPayloadException(
                    $"Discarding oversized payload sent to {message.Recipient}: max allowed size {limit} bytes, actual size of encoded "
                    + $"{message.Message.GetType()} was {payload.Length} bytes.");
            }

            var manifest = Akka.Serialization.Serialization.ManifestFor(serializer, message.Message);
            EnvelopeWriter.Write(
                output,
                message.Recipient.IsTemporary ? new WireName(0, message.Recipient.WirePath) : _recipients.Encode(message.Recipient, _recipientPath),
                SenderName(message.Sender),
                serializer.Identifier,
                string.IsNullOrEmpty(manifest) ? default : _manifests.Encode(manifest, static text => text),
                payload);
            if (remoting.Settings.LogSend)
            {
                remoting.Log.Debug("RemoteMessage: [{0}] to [{1}] from [{2}]", message.Message, message.Recipient, message.Sender);
            }
        }
        catch (OversizedPayloadException error)
        {
            remoting.Log.Error(error, "Transient error while writing message payload. Message is dropped. {0}", error.Message);
            remoting.Drop(message, error.Message);
        }
        catch (Exception error)
        {
            // Serializers are the application's code: whatever they throw concerns this message only.
            remoting.Log.Error(
                error, "Serializer failed for a message [{0}] to [{1}]. Message is dropped. {2}", message.Message?.GetType(), message.Recipient, error.Message);
            remoting.Drop(message, error.Message);
        }
    }

    private Serializer SerializerFor(object message)
    {
        var type = message.GetType();
        if (type != _lastType)
        {
            var serializer = remoting.Serialization.FindSerializerFor(message);
            remoting.CheckIsBound(serializer, type);
            _lastSerializer = serializer;
            _lastType = type;
        }

        return _lastSerializer;
    }

    private WireName SenderName(IActorRef sender)
    {
        if (sender is null || sender.IsNobody())
        {
            return default;
        }

        // An Ask's reference is used once; it would only push others out of the table.
        return sender is LocalActorRef or RemoteActorRef
            ? _senders.Encode(sender, _senderPath)
            : new WireName(0, _senderPath(sender));
    }

    /// <summary>Marks the thread as writing for this system's transport, and takes the mark away again.</summary>
    internal readonly ref struct TransportScope
    {
        private readonly Information _before;

        internal TransportScope(Remoting remoting)
        {
            _before = Akka.Serialization.Serialization.CurrentTransportInformation;
            Akka.Serialization.Serialization.CurrentTransportInformation = remoting.Information;
        }

        internal void Dispose() => Akka.Serialization.Serialization.CurrentTransportInformation = _before;
    }

    private sealed class ReferenceComparer<T> : IEqualityComparer<T>
        where T : class
    {
        internal static readonly ReferenceComparer<T> Instance = new();

        public bool Equals(T x, T y) => ReferenceEquals(x, y);

        public int GetHashCode(T obj) => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(obj);
    }
}
