using System.Buffers;
using Akka.Remote.Serialization.Proto;

namespace Akka.Remote.Transport;

/// <summary>Listens to a link that this system opened, and tells the association in its own time.</summary>
internal sealed class OutboundLink(Association association, int generation) : ILinkHandler
{
    private long _lastHeard;

    /// <summary>Frames heard so far; the association compares two readings to see whether the peer lives.</summary>
    internal long Heard => Interlocked.Read(ref _lastHeard);

    public void Opened(ILink link) => association.Tell(new AssociationCommand.Opened(generation, link));

    public void FrameReceived(FrameKind kind, in ReadOnlySequence<byte> body)
    {
        Interlocked.Increment(ref _lastHeard);
        switch (kind)
        {
            case FrameKind.Welcome:
                association.Tell(new AssociationCommand.Welcomed(generation, Wire.Parse(Welcome.Parser, body).Uid));
                break;
            case FrameKind.Refusal:
                var refusal = Wire.Parse(Refusal.Parser, body);
                association.Tell(new AssociationCommand.Refused(generation, refusal.Reason, refusal.Text));
                break;
            case FrameKind.Acknowledgement:
                association.Tell(new AssociationCommand.Acknowledged(generation, Wire.Parse(Acknowledgement.Parser, body).UpTo));
                break;
            case FrameKind.Goodbye:
                association.Tell(new AssociationCommand.Parted(generation, Wire.Parse(Goodbye.Parser, body).Reason));
                break;
            case FrameKind.Heartbeat:
                break;
            default:
                throw new WireFormatException($"a frame of kind {kind} from the side that accepted the link");
        }
    }

    public void Writable() => association.Tell(new AssociationCommand.Writable(generation));

    public void Closed(LinkClosed reason) => association.Tell(new AssociationCommand.Closed(generation, reason));
}
