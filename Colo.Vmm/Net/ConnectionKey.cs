using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace Colo.Vmm.Net;

/// <summary>What kind of flow a <see cref="ConnectionKey"/> names; flows of different classes are compared by
/// different rules.</summary>
public enum FlowClass : byte
{
    /// <summary>TCP: by payload in sequence space.</summary>
    Tcp = 1,

    /// <summary>UDP, ICMP and every other IP protocol: datagram by datagram, in order.</summary>
    Datagram,

    /// <summary>ARP, IPv6 neighbour discovery, IGMP and MLD: statements about addresses, with no order and no
    /// sequence.</summary>
    Neighbour,

    /// <summary>Frames that are not understood: equal bytes match, all others wait for a commit.</summary>
    Opaque,
}

/// <summary>
/// Names a flow in the direction of its source: addresses, ports, protocol, VLAN. IPv4 addresses stand in the low
/// 32 bits. For ICMP echo the ports hold the identifier; for neighbour flows and opaque frames what tells one
/// statement from another.
/// </summary>
public readonly struct ConnectionKey : IEquatable<ConnectionKey>
{
    private readonly ulong sourceHigh;
    private readonly ulong sourceLow;
    private readonly ulong destinationHigh;
    private readonly ulong destinationLow;
    private readonly ulong rest;

    private ConnectionKey(ulong sourceHigh, ulong sourceLow, ulong destinationHigh, ulong destinationLow, ulong rest)
    {
        this.sourceHigh = sourceHigh;
        this.sourceLow = sourceLow;
        this.destinationHigh = destinationHigh;
        this.destinationLow = destinationLow;
        this.rest = rest;
    }

    public int SourcePort => (int)(rest >> 48);

    public int DestinationPort => (int)(rest >> 32) & 0xFFFF;

    public int Protocol => (int)(rest >> 24) & 0xFF;

    public FlowClass Class => (FlowClass)((rest >> 20) & 0xF);

    public bool IsIPv6 => (rest & 0x8_0000) != 0;

    public static bool operator ==(ConnectionKey left, ConnectionKey right) => left.Equals(right);

    public static bool operator !=(ConnectionKey left, ConnectionKey right) => !left.Equals(right);

    /// <summary>The flow that a frame belongs to, from its sender's point of view.</summary>
    public static ConnectionKey Of(in FrameView view)
    {
        switch (view.Kind)
        {
            case FrameKind.Tcp:
                return FromIp(view, FlowClass.Tcp, view.SourcePort, view.DestinationPort);
            case FrameKind.Udp:
                return FromIp(view, FlowClass.Datagram, view.SourcePort, view.DestinationPort);
            case FrameKind.Icmp:
                return OfIcmp(view, isEcho: view.TransportBytes[0] is 0 or 8);
            case FrameKind.IcmpV6:
                return OfIcmpV6(view);
            case FrameKind.OtherIp when !view.IsFragment:
                var isGroupReport = view.Protocol == IpProtocols.Igmp;
                return FromIp(view, isGroupReport ? FlowClass.Neighbour : FlowClass.Datagram, 0, 0);
            case FrameKind.Arp:
                var arp = view.Frame[view.NetworkOffset..];
                return new ConnectionKey(
                    0, BinaryPrimitives.ReadUInt32BigEndian(arp[14..]), 0, BinaryPrimitives.ReadUInt32BigEndian(arp[24..]),
                    Pack(arp[7], 0, IpProtocols.EtherTypeArp & 0xFF, FlowClass.Neighbour, false, view.VlanKey));
            default:
                return OfOpaque(view);
        }
    }

    /// <summary>The key of the opposite direction.</summary>
    public ConnectionKey Reversed() => new(
        destinationHigh, destinationLow, sourceHigh, sourceLow,
        (rest & 0xFFFF_FFFF) | ((ulong)(uint)DestinationPort << 48) | ((ulong)(uint)SourcePort << 32));

    public bool Equals(ConnectionKey other) => rest == other.rest && sourceLow == other.sourceLow
        && destinationLow == other.destinationLow && sourceHigh == other.sourceHigh && destinationHigh == other.destinationHigh;

    public override bool Equals(object? obj) => obj is ConnectionKey other && Equals(other);

    /// <summary>Mixes all words, for tables only: the value may change between versions.</summary>
    public override int GetHashCode()
    {
        unchecked
        {
            var hash = (sourceLow ^ (sourceHigh * 0x9E3779B97F4A7C15)) * 0xBF58476D1CE4E5B9;
            hash = (hash ^ (hash >> 29) ^ destinationLow ^ (destinationHigh * 0x9E3779B97F4A7C15)) * 0x94D049BB133111EB;
            hash = (hash ^ (hash >> 31) ^ rest) * 0x9E3779B97F4A7C15;
            return (int)(hash >> 32);
        }
    }

    public IPAddress SourceAddress() => ToAddress(sourceHigh, sourceLow);

    public IPAddress DestinationAddress() => ToAddress(destinationHigh, destinationLow);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Class} protocol {Protocol} {SourceAddress()}:{SourcePort} -> {DestinationAddress()}:{DestinationPort}");

    /// <summary>Writes the 40-byte form that checkpoint blobs carry.</summary>
    internal void Write(Span<byte> target)
    {
        BinaryPrimitives.WriteUInt64BigEndian(target, sourceHigh);
        BinaryPrimitives.WriteUInt64BigEndian(target[8..], sourceLow);
        BinaryPrimitives.WriteUInt64BigEndian(target[16..], destinationHigh);
        BinaryPrimitives.WriteUInt64BigEndian(target[24..], destinationLow);
        BinaryPrimitives.WriteUInt64BigEndian(target[32..], rest);
    }

    internal static ConnectionKey Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64BigEndian(source), BinaryPrimitives.ReadUInt64BigEndian(source[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(source[16..]), BinaryPrimitives.ReadUInt64BigEndian(source[24..]),
        BinaryPrimitives.ReadUInt64BigEndian(source[32..]));

    /// <summary>The key of a datagram's fragments: addresses, protocol and identification.</summary>
    internal static ConnectionKey OfFragment(in FrameView view) =>
        FromIp(view, FlowClass.Datagram, (int)(view.FragmentId >> 16), (int)view.FragmentId & 0xFFFF);

    /// <summary>The key of a TCP segment that is not parsed: its addresses say which version it is of.</summary>
    internal static ConnectionKey OfTcp(
        ReadOnlySpan<byte> source, ReadOnlySpan<byte> destination, int sourcePort, int destinationPort, uint vlan) =>
        FromAddresses(source, destination, Pack(
            sourcePort, destinationPort, IpProtocols.Tcp, FlowClass.Tcp, source.Length == 16, vlan));

    internal static ConnectionKey OfOpaque(in FrameView view)
    {
        var source = view.Frame.Length >= 12 ? Mac(view.SourceMac) : 0;
        var destination = view.Frame.Length >= 6 ? Mac(view.DestinationMac) : 0;
        return new ConnectionKey(
            0, source, 0, destination, Pack(view.EtherType, 0, 0, FlowClass.Opaque, true, view.VlanKey));
    }

    private static ulong Mac(ReadOnlySpan<byte> mac) =>
        ((ulong)BinaryPrimitives.ReadUInt16BigEndian(mac) << 32) | BinaryPrimitives.ReadUInt32BigEndian(mac[2..]);

    private static ConnectionKey OfIcmp(in FrameView view, bool isEcho)
    {
        var message = view.TransportBytes;
        var identifier = isEcho ? BinaryPrimitives.ReadUInt16BigEndian(message[4..]) : 0;
        return FromIp(view, FlowClass.Datagram, identifier, message[0]);
    }

    private static ConnectionKey OfIcmpV6(in FrameView view)
    {
        // 130-132 and 143: MLD (RFC 2710, 3810); 133-137: neighbour discovery (RFC 4861); 128, 129: echo.
        var type = view.TransportBytes[0];
        return type is (>= 130 and <= 137) or 143
            ? FromIp(view, FlowClass.Neighbour, 0, type)
            : OfIcmp(view, isEcho: type is 128 or 129);
    }

    private static ConnectionKey FromIp(in FrameView view, FlowClass flow, int sourcePort, int destinationPort) =>
        FromAddresses(view.SourceAddress, view.DestinationAddress, Pack(
            sourcePort, destinationPort, view.Protocol, flow, view.IpVersion == 6, view.VlanKey));

    private static ConnectionKey FromAddresses(ReadOnlySpan<byte> source, ReadOnlySpan<byte> destination, ulong rest) =>
        source.Length == 4
            ? new ConnectionKey(
                0, BinaryPrimitives.ReadUInt32BigEndian(source), 0, BinaryPrimitives.ReadUInt32BigEndian(destination),
                rest)
            : new ConnectionKey(
                BinaryPrimitives.ReadUInt64BigEndian(source), BinaryPrimitives.ReadUInt64BigEndian(source[8..]),
                BinaryPrimitives.ReadUInt64BigEndian(destination),
                BinaryPrimitives.ReadUInt64BigEndian(destination[8..]), rest);

    // 16 bits source port, 16 destination port, 8 protocol, 4 class, 1 IPv6, 19 VLAN (both tags folded).
    private static ulong Pack(int sourcePort, int destinationPort, int protocol, FlowClass flow, bool isIPv6, uint vlan) =>
        ((ulong)(uint)sourcePort << 48) | ((ulong)(uint)destinationPort << 32) | ((ulong)(uint)(protocol & 0xFF) << 24)
        | ((ulong)flow << 20) | (isIPv6 ? 0x8_0000UL : 0) | ((vlan ^ (vlan >> 9)) & 0x7_FFFF);

    private IPAddress ToAddress(ulong high, ulong low)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, high);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], low);
        return new IPAddress(IsIPv6 ? bytes : bytes[12..]);
    }
}
