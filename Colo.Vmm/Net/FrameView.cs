using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>
/// A parsed view of one Ethernet frame without FCS. Nothing is copied; offsets count from the start of the frame.
/// <para>The IP length fields decide where a packet ends, so Ethernet padding is never payload; a length that
/// points beyond the frame makes the frame <see cref="FrameKind.Malformed"/>. At most two VLAN tags and sixteen
/// IPv6 extension headers are walked.</para>
/// <para>Sources: IEEE 802.3 and 802.1Q, RFC 826, RFC 791, RFC 8200, RFC 9293, RFC 768.</para>
/// </summary>
public ref struct FrameView
{
    private const int EthernetHeaderBytes = 14;
    private const int ExtensionHeadersMax = 16;
    private readonly ReadOnlySpan<byte> frame;

    private FrameView(ReadOnlySpan<byte> frame)
    {
        this.frame = frame;
        Kind = FrameKind.Malformed;
        FragmentHeaderOffset = -1;
        PrecedingNextHeaderOffset = -1;
        if (frame.Length < EthernetHeaderBytes)
        {
            return;
        }
        var offset = 12;
        int etherType = BinaryPrimitives.ReadUInt16BigEndian(frame[offset..]);
        for (var tags = 0; tags < 2 && etherType is IpProtocols.EtherTypeVlan or IpProtocols.EtherTypeProviderVlan; tags++)
        {
            if (frame.Length < offset + 6)
            {
                EtherType = etherType;
                return;
            }
            var id = BinaryPrimitives.ReadUInt16BigEndian(frame[(offset + 2)..]) & 0xFFF;
            VlanKey = (VlanKey << 12) | (uint)id;
            offset += 4;
            etherType = BinaryPrimitives.ReadUInt16BigEndian(frame[offset..]);
        }
        EtherType = etherType;
        NetworkOffset = offset + 2;
        End = frame.Length;
        switch (etherType)
        {
            case IpProtocols.EtherTypeIPv4:
                ParseIPv4(ref this);
                break;
            case IpProtocols.EtherTypeIPv6:
                ParseIPv6(ref this);
                break;
            case IpProtocols.EtherTypeArp:
                ParseArp(ref this);
                break;
            default:
                Kind = FrameKind.Other;
                break;
        }
    }

    public FrameKind Kind { get; private set; }

    public ReadOnlySpan<byte> Frame => frame;

    /// <summary>The type after any VLAN tags; below 1536 it is an 802.3 length.</summary>
    public int EtherType { get; }

    /// <summary>VLAN ids, outer in the higher bits; 0 when untagged.</summary>
    public uint VlanKey { get; }

    /// <summary>Where the ARP, IP or other payload begins.</summary>
    public int NetworkOffset { get; }

    /// <summary>Where the packet ends by its own length fields; what follows is padding.</summary>
    public int End { get; private set; }

    /// <summary>4, 6, or 0 when not IP.</summary>
    public int IpVersion { get; private set; }

    /// <summary>The transport protocol, after extension headers.</summary>
    public int Protocol { get; private set; }

    public int TransportOffset { get; private set; }

    public bool IsFragment { get; private set; }

    /// <summary>Position of this fragment's data in the datagram, in bytes.</summary>
    public int FragmentOffset { get; private set; }

    public bool MoreFragments { get; private set; }

    public uint FragmentId { get; private set; }

    /// <summary>IPv6: where the fragment header stands, or -1.</summary>
    public int FragmentHeaderOffset { get; private set; }

    /// <summary>IPv6: the octet that names the fragment header as next, or -1.</summary>
    public int PrecedingNextHeaderOffset { get; private set; }

    /// <summary>TCP only: header length in bytes, options included.</summary>
    public int TcpHeaderLength { get; private set; }

    public SequenceNumber Sequence => new(BinaryPrimitives.ReadUInt32BigEndian(frame[(TransportOffset + 4)..]));

    public SequenceNumber Acknowledgement => new(BinaryPrimitives.ReadUInt32BigEndian(frame[(TransportOffset + 8)..]));

    public TcpFlags TcpFlags => (TcpFlags)frame[TransportOffset + 13];

    public ReadOnlySpan<byte> TcpOptions => frame[(TransportOffset + 20)..(TransportOffset + TcpHeaderLength)];

    /// <summary>TCP: where the payload begins.</summary>
    public int PayloadOffset => TransportOffset + TcpHeaderLength;

    /// <summary>TCP: number of payload bytes, padding excluded.</summary>
    public int PayloadLength => End - PayloadOffset;

    /// <summary>TCP and UDP: source port; otherwise meaningless.</summary>
    public int SourcePort => BinaryPrimitives.ReadUInt16BigEndian(frame[TransportOffset..]);

    /// <summary>TCP and UDP: destination port; otherwise meaningless.</summary>
    public int DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(frame[(TransportOffset + 2)..]);

    /// <summary>Everything after the IP headers, padding excluded.</summary>
    public ReadOnlySpan<byte> TransportBytes => frame[TransportOffset..End];

    public ReadOnlySpan<byte> DestinationMac => frame[..6];

    public ReadOnlySpan<byte> SourceMac => frame[6..12];

    /// <summary>4 or 16 bytes of an IP packet's source address.</summary>
    public ReadOnlySpan<byte> SourceAddress =>
        IpVersion == 4 ? frame.Slice(NetworkOffset + 12, 4) : frame.Slice(NetworkOffset + 8, 16);

    /// <summary>4 or 16 bytes of an IP packet's destination address.</summary>
    public ReadOnlySpan<byte> DestinationAddress =>
        IpVersion == 4 ? frame.Slice(NetworkOffset + 16, 4) : frame.Slice(NetworkOffset + 24, 16);

    /// <summary>Parses any bytes; never throws.</summary>
    public static FrameView Parse(ReadOnlySpan<byte> frame) => new(frame);

    private static void ParseArp(ref FrameView view)
    {
        // Only Ethernet/IPv4 ARP has the layout that the comparer and the announcer read: RFC 826, 28 bytes.
        var packet = view.frame[view.NetworkOffset..];
        if (packet.Length < 28)
        {
            return;
        }
        var usual = BinaryPrimitives.ReadUInt32BigEndian(packet) == 0x0001_0800 && packet[4] == 6 && packet[5] == 4;
        view.Kind = usual ? FrameKind.Arp : FrameKind.Other;
        view.End = usual ? view.NetworkOffset + 28 : view.End;
    }

    private static void ParseIPv4(ref FrameView view)
    {
        var packet = view.frame[view.NetworkOffset..];
        if (packet.Length < 20 || packet[0] >> 4 != 4)
        {
            return;
        }
        var headerLength = (packet[0] & 15) * 4;
        var totalLength = BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        if (headerLength < 20 || totalLength < headerLength || totalLength > packet.Length)
        {
            return;
        }
        var fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        view.IpVersion = 4;
        view.Protocol = packet[9];
        view.TransportOffset = view.NetworkOffset + headerLength;
        view.End = view.NetworkOffset + totalLength;
        view.IsFragment = (fragment & 0x3FFF) != 0;
        view.FragmentOffset = (fragment & 0x1FFF) * 8;
        view.MoreFragments = (fragment & 0x2000) != 0;
        view.FragmentId = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        ParseTransport(ref view);
    }

    private static void ParseIPv6(ref FrameView view)
    {
        var packet = view.frame[view.NetworkOffset..];
        if (packet.Length < 40 || packet[0] >> 4 != 6)
        {
            return;
        }
        var end = 40 + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (end > packet.Length)
        {
            return;
        }
        packet = packet[..end];
        int nextHeader = packet[6];
        var nextHeaderAt = 6;
        var offset = 40;
        var result = view;
        result.IpVersion = 6;
        result.End = view.NetworkOffset + end;
        for (var headers = 0; IsExtension(nextHeader) && !(result.IsFragment && result.FragmentOffset != 0); headers++)
        {
            if (headers == ExtensionHeadersMax || packet.Length < offset + 8)
            {
                return;
            }
            var length = nextHeader switch
            {
                IpProtocols.Fragment => 8,
                IpProtocols.Authentication => (packet[offset + 1] + 2) * 4,
                _ => (packet[offset + 1] + 1) * 8,
            };
            if (packet.Length < offset + length)
            {
                return;
            }
            if (nextHeader == IpProtocols.Fragment && !ReadFragmentHeader(packet, offset, nextHeaderAt, ref result))
            {
                return;
            }
            nextHeader = packet[offset];
            nextHeaderAt = offset;
            offset += length;
        }
        result.Protocol = nextHeader;
        result.TransportOffset = view.NetworkOffset + offset;
        view = result;
        ParseTransport(ref view);
    }

    private static bool ReadFragmentHeader(ReadOnlySpan<byte> packet, int offset, int nextHeaderAt, ref FrameView result)
    {
        if (result.FragmentHeaderOffset >= 0)
        {
            return false;
        }
        var fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[(offset + 2)..]);
        // An atomic fragment (RFC 6946) is a whole datagram.
        result.IsFragment = (fragment & 0xFFF9) != 0;
        result.FragmentOffset = fragment & 0xFFF8;
        result.MoreFragments = (fragment & 1) != 0;
        result.FragmentId = BinaryPrimitives.ReadUInt32BigEndian(packet[(offset + 4)..]);
        result.FragmentHeaderOffset = result.NetworkOffset + offset;
        result.PrecedingNextHeaderOffset = result.NetworkOffset + nextHeaderAt;
        return true;
    }

    private static bool IsExtension(int nextHeader) => nextHeader is IpProtocols.HopByHop or IpProtocols.Routing
        or IpProtocols.Fragment or IpProtocols.DestinationOptions or IpProtocols.Authentication or IpProtocols.Mobility
        or IpProtocols.HostIdentity or IpProtocols.Shim6;

    private static void ParseTransport(ref FrameView view)
    {
        if (view.IsFragment && view.FragmentOffset != 0)
        {
            view.Kind = FrameKind.OtherIp;
            return;
        }
        var length = view.End - view.TransportOffset;
        switch (view.Protocol)
        {
            case IpProtocols.Tcp:
                if (length < 20)
                {
                    return;
                }
                var headerLength = (view.frame[view.TransportOffset + 12] >> 4) * 4;
                if (headerLength >= 20 && headerLength <= length)
                {
                    view.Kind = FrameKind.Tcp;
                    view.TcpHeaderLength = headerLength;
                }
                break;
            case IpProtocols.Udp:
                view.Kind = length >= 8 ? FrameKind.Udp : FrameKind.Malformed;
                break;
            case IpProtocols.Icmp when view.IpVersion == 4:
                view.Kind = length >= 8 ? FrameKind.Icmp : FrameKind.Malformed;
                break;
            case IpProtocols.IcmpV6 when view.IpVersion == 6:
                view.Kind = length >= 8 ? FrameKind.IcmpV6 : FrameKind.Malformed;
                break;
            default:
                view.Kind = FrameKind.OtherIp;
                break;
        }
    }
}
