using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>
/// The beginning of a TCP segment that an ICMP error quotes: "too big" of a router that has a smaller path, or
/// "unreachable". Its receiver believes it only when the quoted number is one that it has under way (RFC 5927, section
/// 4.1). Sources: RFC 792, RFC 4443 section 3; the quotation is cut short, so its own lengths say nothing.
/// </summary>
internal static class QuotedSegment
{
    private const int MessageHeaderBytes = 8;

    // Ports and the sequence number: what RFC 792 has at least.
    private const int SegmentBytesLeast = 8;

    /// <summary>The connection from the side of the segment's sender, and where in the frame its sequence number
    /// stands.</summary>
    [HotPath]
    public static bool TryFind(in FrameView error, out ConnectionKey key, out int sequenceAt)
    {
        key = default;
        sequenceAt = 0;
        if (!IsError(error))
        {
            return false;
        }
        var quoted = error.TransportBytes[MessageHeaderBytes..];
        var header = TcpHeaderOffset(quoted, error.IpVersion);
        if (header < 0 || quoted.Length < header + SegmentBytesLeast)
        {
            return false;
        }
        var length = error.IpVersion == 4 ? 4 : 16;
        var at = error.IpVersion == 4 ? 12 : 8;
        var segment = quoted[header..];
        key = ConnectionKey.OfTcp(
            quoted.Slice(at, length), quoted.Slice(at + length, length), BinaryPrimitives.ReadUInt16BigEndian(segment),
            BinaryPrimitives.ReadUInt16BigEndian(segment[2..]), error.VlanKey);
        sequenceAt = error.TransportOffset + MessageHeaderBytes + header + 4;
        return true;
    }

    // Unreachable, source quench, redirect, time exceeded, parameter problem; in version 6 all types below 128.
    private static bool IsError(in FrameView view) =>
        (view.Kind == FrameKind.Icmp && view.TransportBytes[0] is 3 or 4 or 5 or 11 or 12)
        || (view.Kind == FrameKind.IcmpV6 && view.TransportBytes[0] < 128);

    // Of an unfragmented packet or a first fragment; -1 for anything else.
    private static int TcpHeaderOffset(ReadOnlySpan<byte> packet, int version)
    {
        if (version == 6)
        {
            return packet.Length >= 40 && packet[0] >> 4 == 6 && packet[6] == IpProtocols.Tcp ? 40 : -1;
        }
        var isFirst = packet.Length >= 20 && packet[0] >> 4 == 4 && packet[9] == IpProtocols.Tcp
            && (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x1FFF) == 0;
        var length = isFirst ? (packet[0] & 15) * 4 : 0;
        return length >= 20 ? length : -1;
    }
}
