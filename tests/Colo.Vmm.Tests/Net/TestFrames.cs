using System.Buffers.Binary;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>Builds the frames that the tests send, with right checksums, so that a checksum error is the
/// code's.</summary>
internal static class TestFrames
{
    public static readonly byte[] GuestMac = [0x52, 0x54, 0, 0, 0, 1];
    public static readonly byte[] RouterMac = [0x52, 0x54, 0, 0, 0, 2];
    public const uint Guest = 0x0A000001;
    public const uint Client = 0x0A000002;

    public static byte[] Tcp(
        uint seq, uint ack, TcpFlags flags, ReadOnlySpan<byte> payload, int sourcePort = 80, int destinationPort = 4000,
        bool fromGuest = true, ReadOnlySpan<byte> options = default, bool ipv6 = false, int padTo = 0, int ipOptions = 0,
        int extensions = 0, int vlan = 0, ushort ipId = 7, byte ttl = 64, ushort window = 1000)
    {
        var header = 20 + ((options.Length + 3) / 4 * 4);
        var segment = new byte[header + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(segment, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), (ushort)destinationPort);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(4), seq);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(8), ack);
        segment[12] = (byte)(header / 4 << 4);
        segment[13] = (byte)flags;
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(14), window);
        options.CopyTo(segment.AsSpan(20));
        payload.CopyTo(segment.AsSpan(header));
        return Ip(6, segment, fromGuest, ipv6, padTo, ipOptions, extensions, vlan, ipId, ttl, checksumAt: 16);
    }

    public static byte[] Udp(
        ReadOnlySpan<byte> payload, int sourcePort = 53, int destinationPort = 5000, bool ipv6 = false, ushort ipId = 9, int padTo = 0)
    {
        var datagram = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(datagram, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(2), (ushort)destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(4), (ushort)datagram.Length);
        payload.CopyTo(datagram.AsSpan(8));
        return Ip(17, datagram, true, ipv6, padTo, ipId: ipId, checksumAt: 6);
    }

    public static byte[] Icmp(byte type, ushort id, ReadOnlySpan<byte> payload, ushort ipId = 3)
    {
        var message = new byte[8 + payload.Length];
        message[0] = type;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(4), id);
        payload.CopyTo(message.AsSpan(8));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), (ushort)~InternetChecksum.Add(0, message));
        return Ip(1, message, true, false, ipId: ipId, checksumAt: -1);
    }

    public static byte[] Arp(uint sender, uint target, bool isReply = false)
    {
        var frame = Ethernet(0x0806, 60, 0, out var offset, fromGuest: true);
        BinaryPrimitives.WriteUInt64BigEndian(frame.AsSpan(offset), 0x0001_0800_0604_0001UL + (isReply ? 1UL : 0));
        GuestMac.CopyTo(frame, offset + 8);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(offset + 14), sender);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(offset + 24), target);
        return frame;
    }

    public static byte[] Unknown(byte fill, int etherType = 0x88CC)
    {
        var frame = Ethernet(etherType, 60, 0, out var offset, fromGuest: true);
        frame.AsSpan(offset).Fill(fill);
        return frame;
    }

    public static byte[] Ip(
        int protocol, ReadOnlySpan<byte> message, bool fromGuest, bool ipv6, int padTo = 0, int ipOptions = 0, int extensions = 0,
        int vlan = 0, ushort ipId = 7, byte ttl = 64, int checksumAt = -1)
    {
        var header = ipv6 ? 40 + extensions * 8 : 20 + ipOptions;
        var frame = Ethernet(ipv6 ? 0x86DD : 0x0800, Math.Max(padTo, 14 + (vlan != 0 ? 4 : 0) + header + message.Length), vlan,
            out var offset, fromGuest);
        var ip = frame.AsSpan(offset);
        ip[(header + message.Length)..].Fill(0xEE);
        Span<byte> source = ip.Slice(ipv6 ? 8 : 12, ipv6 ? 16 : 4);
        Span<byte> destination = ip.Slice(ipv6 ? 24 : 16, ipv6 ? 16 : 4);
        var a = fromGuest ? Guest : Client;
        var b = fromGuest ? Client : Guest;
        if (ipv6)
        {
            ip[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(extensions * 8 + message.Length));
            ip[6] = (byte)(extensions > 0 ? 60 : protocol);
            ip[7] = ttl;
            source[0] = 0xFD;
            destination[0] = 0xFD;
            for (var i = 0; i < extensions; i++)
            {
                ip[40 + i * 8] = (byte)(i + 1 < extensions ? 60 : protocol);
            }
        }
        else
        {
            ip[0] = (byte)(0x40 + header / 4);
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)(header + message.Length));
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], ipId);
            ip[8] = ttl;
            ip[9] = (byte)protocol;
            ip.Slice(20, ipOptions).Fill(1);
        }
        BinaryPrimitives.WriteUInt32BigEndian(source[^4..], a);
        BinaryPrimitives.WriteUInt32BigEndian(destination[^4..], b);
        if (!ipv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)~InternetChecksum.Add(0, ip[..header]));
        }
        message.CopyTo(ip[header..]);
        if (checksumAt >= 0)
        {
            var body = ip.Slice(header, message.Length);
            BinaryPrimitives.WriteUInt16BigEndian(body[checksumAt..], InternetChecksum.ComputeTransport(source, destination, protocol, body));
        }
        return frame;
    }

    /// <summary>Cuts an IPv4 frame made by this class into fragments.</summary>
    public static List<byte[]> Fragment(byte[] frame, int dataBytes, ushort ipId)
    {
        List<byte[]> fragments = [];
        var view = FrameView.Parse(frame);
        var header = view.TransportOffset - view.NetworkOffset;
        var data = frame.AsSpan(view.TransportOffset, view.End - view.TransportOffset);
        for (var at = 0; at < data.Length; at += dataBytes)
        {
            var length = Math.Min(dataBytes, data.Length - at);
            var piece = new byte[view.TransportOffset + length];
            frame.AsSpan(0, view.TransportOffset).CopyTo(piece);
            data.Slice(at, length).CopyTo(piece.AsSpan(view.TransportOffset));
            var ip = piece.AsSpan(view.NetworkOffset);
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)(header + length));
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], ipId);
            BinaryPrimitives.WriteUInt16BigEndian(ip[6..], (ushort)(at / 8 | (at + length < data.Length ? 0x2000 : 0)));
            fragments.Add(piece);
        }
        return fragments;
    }

    public static bool HasRightTcpChecksum(ReadOnlySpan<byte> frame)
    {
        var view = FrameView.Parse(frame);
        return InternetChecksum.ComputeTransport(view.SourceAddress, view.DestinationAddress, 6, view.TransportBytes) == 0;
    }

    private static byte[] Ethernet(int etherType, int length, int vlan, out int offset, bool fromGuest)
    {
        var frame = new byte[length];
        (fromGuest ? RouterMac : GuestMac).CopyTo(frame, 0);
        (fromGuest ? GuestMac : RouterMac).CopyTo(frame, 6);
        offset = 14;
        if (vlan != 0)
        {
            frame[12] = 0x81;
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(14), (ushort)vlan);
            offset = 18;
        }
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(offset - 2), (ushort)etherType);
        return frame;
    }
}
