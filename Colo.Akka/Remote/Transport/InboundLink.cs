using System.Buffers;
using Akka.Actor;
using Akka.Event;
using Akka.Remote.Serialization.Proto;

namespace Akka.Remote.Transport;

/// <summary>Receives on a link that a peer opened: first its greeting, then what it sends to actors here.</summary>
internal sealed class InboundLink(Remoting remoting, long number) : ILinkHandler
{
    private readonly InboundNames<InboundRecipient> _recipients = new();
    private readonly InboundNames<IActorRef> _senders = new();
    private readonly InboundNames<string> _manifests = new();
    private ILink _link;
    private Association _peer;
    private long _heard;
    private long _heardBefore;
    private int _silentBeats;

    /// <summary>Counts the links that peers opened, so that there is an order to visit them in.</summary>
    internal long Number => number;

    /// <summary>The peer's address; null before it has said who it is.</summary>
    internal Address Remote => _peer?.Remote;

    internal int Uid { get; private set; }

    public void Opened(ILink link)
    {
        _link = link;
        remoting.Add(this);
        remoting.After(remoting.Settings.HandshakeTimeout, () =>
        {
            if (_peer is null)
            {
                link.Abort();
            }
        });
    }

    public void FrameReceived(FrameKind kind, in ReadOnlySequence<byte> body)
    {
        _heard++;
        if (_peer is null)
        {
            Greet(kind, body);
            return;
        }

        switch (kind)
        {
            case FrameKind.Envelope:
                ReceiveEnvelope(body);
                break;
            case FrameKind.SystemEnvelope:
                ReceiveSystem(Wire.Parse(SystemEnvelope.Parser, body));
                break;
            case FrameKind.Heartbeat:
                Wire.WriteHeartbeat(_link.Output);
                _link.Flush();
                break;
            case FrameKind.Goodbye:
                if (Wire.Parse(Goodbye.Parser, body).Reason == GoodbyeReason.GoodbyeQuarantined)
                {
                    remoting.Publish(new ThisActorSystemQuarantinedEvent(remoting.LocalAddress, _peer.Remote));
                }

                _link.Close();
                break;
            default:
                throw new WireFormatException($"a frame of kind {kind} from the side that opened the link");
        }
    }

    public void Writable()
    {
        // Answers are small and few; the link's own buffer holds them.
    }

    public void Closed(LinkClosed reason)
    {
        remoting.Remove(this);
        if (reason.IsProtocolError)
        {
            remoting.Log.Warning(
                "Closed the connection from {0}{1}: it sent {2}", _link?.Peer ?? "an unknown peer", _peer is null ? "" : $" ({_peer.Remote})", reason.Text);
        }

        if (_peer is not null)
        {
            remoting.Publish(new DisassociatedEvent(remoting.LocalAddress, _peer.Remote, inbound: true));
        }
    }

    internal void Abort() => _link.Abort();

    /// <summary>Called at each beat; ends a link on which nothing came for that many beats.</summary>
    internal void Beat(int beatsOfSilence)
    {
        var heard = _heard;
        _silentBeats = heard == _heardBefore ? _silentBeats + 1 : 0;
        _heardBefore = heard;
        if (_silentBeats > beatsOfSilence)
        {
            _link.Abort();
        }
    }

    private void Greet(FrameKind kind, in ReadOnlySequence<byte> body)
    {
        if (kind != FrameKind.Hello)
        {
            throw new WireFormatException($"a frame of kind {kind} before {FrameKind.Hello}");
        }

        var hello = Wire.Parse(Hello.Parser, body);
        var from = Wire.ToAddress(hello.From);
        if (!remoting.IsLocal(Wire.ToAddress(hello.To)))
        {
            Refuse(RefusalReason.RefusalWrongAddress, $"this is {remoting.LocalAddress}, not {Wire.ToAddress(hello.To)}");
            remoting.Log.Warning(
                "{0} asked for {1}; this system is {2}. The connection is refused", from, Wire.ToAddress(hello.To), remoting.LocalAddress);
            return;
        }

        var peer = remoting.AssociationFor(from);
        if (peer.IsQuarantined(hello.Uid))
        {
            Refuse(RefusalReason.RefusalQuarantined, $"the incarnation {hello.Uid} of {from} is quarantined here");
            return;
        }

        Uid = hello.Uid;
        _peer = peer;
        Wire.Write(_link.Output, FrameKind.Welcome, new Welcome { From = Wire.ToData(remoting.LocalAddress), Uid = remoting.Uid });
        _link.Flush();
        peer.Tell(new AssociationCommand.PeerConnected(hello.Uid));
        remoting.Publish(new AssociatedEvent(remoting.LocalAddress, from, inbound: true));
    }

    private void Refuse(RefusalReason reason, string text)
    {
        Wire.Write(_link.Output, FrameKind.Refusal, new Refusal { Reason = reason, Text = text });
        _link.Flush();
        _link.Close();
    }

    private void ReceiveEnvelope(in ReadOnlySequence<byte> body)
    {
        if (body.IsSingleSegment)
        {
            Deliver(EnvelopeFields.Read(body.FirstSpan));
            return;
        }

        var length = (int)body.Length;
        var joined = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            body.CopyTo(joined);
            Deliver(EnvelopeFields.Read(joined.AsSpan(0, length)));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(joined);
        }
    }

    private void Deliver(in EnvelopeFields envelope)
    {
        var recipient = Named(_recipients, envelope.RecipientId, envelope.Recipient, remoting.ResolveRecipient)
            ?? throw new WireFormatException("an envelope without recipient");
        var sender = Named(_senders, envelope.SenderId, envelope.Sender, remoting.ResolveSender);
        var manifest = Named(_manifests, envelope.ManifestId, envelope.Manifest, static text => text) ?? "";
        var message = remoting.Deserialize(envelope.Payload, envelope.SerializerId, manifest);
        remoting.Deliver(recipient, message, sender);
    }

    private static T Named<T>(InboundNames<T> names, uint id, string text, Func<string, T> resolve)
        where T : class
    {
        if (text is null)
        {
            return id == 0 ? null : names.Find(id);
        }

        var value = resolve(text);
        if (id != 0)
        {
            names.Define(id, value);
        }

        return value;
    }

    private void ReceiveSystem(SystemEnvelope envelope)
    {
        var recipient = remoting.ResolveRecipient(envelope.Recipient).Current(remoting);
        var upTo = _peer.Inbox.Receive(
            Uid, envelope.Number, () => remoting.DeliverSystem(envelope, recipient));
        Wire.Write(_link.Output, FrameKind.Acknowledgement, new Acknowledgement { UpTo = upTo });
        _link.Flush();
    }
}
