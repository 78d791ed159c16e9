using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>
/// Makes a takeover short for clients of TCP. While the primary is lost and nobody knows it yet, what both guests send
/// is acknowledged by nobody and what clients acknowledge reaches nobody; the guest that goes on would find out with
/// its next retransmission or window probe, and the time between those doubles each time (RFC 6298 section 5.5, RFC
/// 9293 section 3.8.6.1): after half a second of silence it is half a second or more until the next.
/// <para>So the host of a replica keeps what its guest has sent and the client has not acknowledged, and at the
/// takeover <see cref="Resend"/> sends it once more, as any retransmission: at most an initial window (RFC 6928), the
/// rest follows from the acknowledgements. Behind it goes a segment without payload just below the window, as a
/// keep-alive (RFC 9293 section 3.8.4), which every stack answers with its acknowledgement and window of now.</para>
/// <para>Output commit: nothing leaves before the host owns the VM alone, all of it was made by the guest that goes on,
/// in the numbers that clients know (behind the rewriter), and it acknowledges no more than that guest has. When an
/// image is loaded, it was another guest's: <see cref="Forget"/>. Bounded; when full, the guest's own timers have to
/// do. Not thread safe.</para>
/// </summary>
public sealed class UnacknowledgedOutput
{
    private const int FlowsMax = 1024;
    private const int FlowFramesMax = 256;
    private const int InitialWindow = 10;
    private const long PoolBytes = 16 << 20;

    // Nothing of a connection that was quiet for so long is under way.
    private static readonly TimeSpan QuietTime = TimeSpan.FromSeconds(60);

    private readonly FramePool pool = new(PoolBytes);
    private readonly Dictionary<ConnectionKey, UnacknowledgedFlow> flows = new(FlowsMax);
    private readonly Stack<UnacknowledgedFlow> spare = new();
    private UnacknowledgedFlow? oldest;
    private UnacknowledgedFlow? newest;

    /// <summary>Connections that are remembered.</summary>
    public int FlowCount => flows.Count;

    /// <summary>Segments that are kept.</summary>
    public int FrameCount => pool.OutstandingCount;

    /// <summary>A frame that the guest sent, as the client would see it.</summary>
    [HotPath]
    public void FromGuest(ReadOnlySpan<byte> frame, TimeSpan now)
    {
        var view = FrameView.Parse(frame);
        if (view.Kind != FrameKind.Tcp || view.IsFragment)
        {
            return;
        }
        var key = ConnectionKey.Of(view);
        var isKnown = flows.TryGetValue(key, out var flow);
        if ((view.TcpFlags & (TcpFlags.Syn | TcpFlags.Rst)) != 0)
        {
            // A handshake is the guest's own affair, and nobody asks for a connection that was reset.
            if (isKnown)
            {
                Remove(flow!);
            }
            return;
        }
        flow = isKnown ? flow! : Add(key);
        Touch(flow, now);
        flow.NoteHeader(frame[..view.PayloadOffset]);
        flow.HasGuestFin |= (view.TcpFlags & TcpFlags.Fin) != 0;
        if (view.PayloadLength > 0)
        {
            Keep(flow, frame, view);
        }
    }

    /// <summary>A frame of a client, as the client sent it.</summary>
    [HotPath]
    public void FromClient(ReadOnlySpan<byte> frame, TimeSpan now)
    {
        var view = FrameView.Parse(frame);
        if (view.Kind != FrameKind.Tcp || view.IsFragment
            || !flows.TryGetValue(ConnectionKey.Of(view).Reversed(), out var flow))
        {
            return;
        }
        if ((view.TcpFlags & (TcpFlags.Syn | TcpFlags.Rst)) != 0)
        {
            Remove(flow);
            return;
        }
        if ((view.TcpFlags & TcpFlags.Ack) == 0)
        {
            return;
        }
        Touch(flow, now);
        flow.ClientAck = flow.ClientAck is { } known
            ? SequenceNumber.Max(known, view.Acknowledgement)
            : view.Acknowledgement;
        if (TcpOptions.TryFindTimestamps(view.TcpOptions, out var at))
        {
            flow.Echo = BinaryPrimitives.ReadUInt32BigEndian(view.TcpOptions[(at + 4)..]);
        }
        while (flow.Frames.First is { } first && EndOf(first) <= flow.ClientAck)
        {
            flow.Frames.Remove(first);
            first.Release();
        }
        flow.HasClientFin |= (view.TcpFlags & TcpFlags.Fin) != 0;
        if (flow.HasClientFin && flow.HasGuestFin)
        {
            Remove(flow);
        }
    }

    /// <summary>The guest's state was replaced: what it had sent before says nothing of it.</summary>
    public void Forget()
    {
        while (oldest is not null)
        {
            Remove(oldest);
        }
    }

    /// <summary>This host owns the VM alone and is attached to the network: sends again what clients may wait for. The
    /// span is valid during the call only.</summary>
    /// <returns>Frames sent.</returns>
    public int Resend(TimeSpan now, FrameHandler send)
    {
        ArgumentNullException.ThrowIfNull(send);
        Span<byte> probe = stackalloc byte[256];
        var sent = 0;
        for (var flow = newest; flow is not null && now - flow.LastSeen <= QuietTime; flow = flow.Older)
        {
            var left = InitialWindow;
            for (var frame = flow.Frames.First; frame is not null && left > 0; frame = frame.Next, left--)
            {
                RaiseTimestamp(frame.Frame, flow.Echo);
                send(frame.Frame);
                sent++;
            }
            if (!flow.Header.IsEmpty && flow.ClientAck is { } acknowledged)
            {
                var length = BuildProbe(flow, acknowledged, probe);
                send(probe[..length]);
                sent++;
            }
        }
        return sent;
    }

    private static SequenceNumber EndOf(PooledFrame frame) => frame.Sequence + frame.PayloadLength;

    private void Keep(UnacknowledgedFlow flow, ReadOnlySpan<byte> frame, in FrameView view)
    {
        var end = view.Sequence + view.PayloadLength;
        if (end <= flow.ClientAck || (flow.Frames.Last is { } last && end <= EndOf(last))
            || flow.Frames.Count >= FlowFramesMax || !pool.TryCopy(frame, FrameOwner.Buffer, out var copy))
        {
            return;
        }
        copy.Describe(view, FlowClass.Tcp);
        flow.Frames.Append(copy);
    }

    private UnacknowledgedFlow Add(in ConnectionKey key)
    {
        if (flows.Count >= FlowsMax)
        {
            Remove(oldest!);
        }
        if (!spare.TryPop(out var flow))
        {
            flow = new UnacknowledgedFlow();
        }
        flow.Begin(key);
        flows.Add(key, flow);
        Link(flow);
        return flow;
    }

    private void Remove(UnacknowledgedFlow flow)
    {
        while (flow.Frames.First is { } frame)
        {
            flow.Frames.Remove(frame);
            frame.Release();
        }
        Unlink(flow);
        flows.Remove(flow.Key);
        spare.Push(flow);
    }

    private void Touch(UnacknowledgedFlow flow, TimeSpan now)
    {
        flow.LastSeen = now;
        if (newest != flow)
        {
            Unlink(flow);
            Link(flow);
        }
    }

    private void Link(UnacknowledgedFlow flow)
    {
        flow.Older = newest;
        flow.Newer = null;
        if (newest is not null)
        {
            newest.Newer = flow;
        }
        newest = flow;
        oldest ??= flow;
    }

    private void Unlink(UnacknowledgedFlow flow)
    {
        if (flow.Older is not null)
        {
            flow.Older.Newer = flow.Newer;
        }
        else
        {
            oldest = flow.Newer;
        }
        if (flow.Newer is not null)
        {
            flow.Newer.Older = flow.Older;
        }
        else
        {
            newest = flow.Older;
        }
    }

    // A client drops a segment whose timestamp is older than one that it has seen (RFC 7323 section 5), and the
    // primary's clock may have been a little ahead.
    private static void RaiseTimestamp(Span<byte> frame, uint echo)
    {
        var view = FrameView.Parse(frame);
        if (echo == 0 || !TcpOptions.TryFindTimestamps(view.TcpOptions, out var option))
        {
            return;
        }
        var at = view.TransportOffset + 20 + option;
        var value = BinaryPrimitives.ReadUInt32BigEndian(frame[at..]);
        if (unchecked((int)(echo - value)) > 0)
        {
            var checksumAt = view.TransportOffset + 16;
            var isOdd = ((at - view.TransportOffset) & 1) != 0;
            BinaryPrimitives.WriteUInt32BigEndian(frame[at..], echo);
            var checksum = BinaryPrimitives.ReadUInt16BigEndian(frame[checksumAt..]);
            checksum = InternetChecksum.Update(checksum, value, echo, isOdd);
            BinaryPrimitives.WriteUInt16BigEndian(frame[checksumAt..], checksum);
        }
    }

    /// <summary>The guest's last segment without payload, FIN, PSH and SACK, and with a number that the client has
    /// acknowledged.</summary>
    private static int BuildProbe(UnacknowledgedFlow flow, SequenceNumber acknowledged, Span<byte> target)
    {
        var length = flow.Header.Length;
        flow.Header.CopyTo(target);
        var probe = target[..length];
        // The lengths first, because a view believes them.
        var network = NetworkOffset(probe);
        var ip = probe[network..];
        if (ip[0] >> 4 == 4)
        {
            var header = (ip[0] & 15) * 4;
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
            BinaryPrimitives.WriteUInt16BigEndian(ip[10..], 0);
            BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)~InternetChecksum.Add(0, ip[..header]));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(ip.Length - 40));
        }
        var view = FrameView.Parse(probe);
        var tcp = probe[view.TransportOffset..];
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], (acknowledged + -1).Value);
        tcp[13] = (byte)TcpFlags.Ack;
        BinaryPrimitives.WriteUInt16BigEndian(tcp[16..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[18..], 0);
        var offset = 0;
        while (TcpOptions.TryNext(view.TcpOptions, ref offset, out var kind, out var body))
        {
            if (kind == TcpOptions.Sack)
            {
                tcp.Slice(20 + offset - body.Length - 2, body.Length + 2).Fill(TcpOptions.NoOperation);
            }
        }
        var checksum = InternetChecksum.ComputeTransport(
            view.SourceAddress, view.DestinationAddress, IpProtocols.Tcp, tcp);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[16..], checksum);
        RaiseTimestamp(probe, flow.Echo);
        return length;
    }

    private static int NetworkOffset(ReadOnlySpan<byte> frame)
    {
        var offset = 12;
        while (BinaryPrimitives.ReadUInt16BigEndian(frame[offset..])
            is IpProtocols.EtherTypeVlan or IpProtocols.EtherTypeProviderVlan)
        {
            offset += 4;
        }
        return offset + 2;
    }
}
