using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>
/// Learns the addresses that the guest uses from the frames it sends, and makes the frames that tell the network
/// where it is now: gratuitous ARP in both forms (RFC 5227 section 3 request; reply for those that only listen to
/// replies), unsolicited neighbour advertisements (RFC 4861 section 7.2.6), and a RARP request, as QEMU announces,
/// where no address is known.
/// <para>An IPv4 address that the guest claimed by ARP is certain. One that was only seen as a source may belong to
/// a network behind the guest, if it routes, so it is announced only while no certain one is known for that card
/// and VLAN.</para>
/// </summary>
public sealed class Announcer
{
    private const int AddressesMax = 256;
    private readonly List<Address> addresses = [];

    /// <summary>How many addresses are known.</summary>
    public int AddressCount => addresses.Count;

    /// <summary>Learns from a frame that the guest sent.</summary>
    [HotPath]
    public void Learn(ReadOnlySpan<byte> frame)
    {
        var view = FrameView.Parse(frame);
        if (frame.Length < 14 || (view.SourceMac[0] & 1) != 0)
        {
            return;
        }
        var mac = ReadMac(view.SourceMac);
        if (view.Kind == FrameKind.Arp)
        {
            var arp = frame[view.NetworkOffset..];
            var address = BinaryPrimitives.ReadUInt32BigEndian(arp[14..]);
            if (address != 0 && ReadMac(arp[8..14]) == mac)
            {
                Remember(new Address(mac, view.VlanKey, false, 0, address, true));
            }
            return;
        }
        if (view.IpVersion == 4)
        {
            var address = BinaryPrimitives.ReadUInt32BigEndian(view.SourceAddress);
            // Neither "this host", loopback, multicast nor broadcast.
            if (address >> 24 is not (0 or 127) && address >> 28 < 14)
            {
                Remember(new Address(mac, view.VlanKey, false, 0, address, false));
            }
        }
        else if (view.IpVersion == 6)
        {
            LearnIPv6(view, mac);
        }
    }

    /// <summary>
    /// Makes every announcement, one call of <paramref name="send"/> for each. <paramref name="cardMac"/> is what
    /// RARP announces when the guest has not sent anything yet. The spans are valid during the call.
    /// </summary>
    public void Announce(ReadOnlySpan<byte> cardMac, FrameHandler send)
    {
        ArgumentNullException.ThrowIfNull(send);
        Span<byte> buffer = stackalloc byte[128];
        foreach (var address in addresses)
        {
            if (address.IsIPv6)
            {
                send(buffer[..WriteAdvertisement(buffer, address)]);
            }
            else if (address.IsCertain || !HasCertain(address))
            {
                send(buffer[..WriteArp(buffer, address, isReply: false)]);
                send(buffer[..WriteArp(buffer, address, isReply: true)]);
            }
        }
        if (addresses.Count == 0)
        {
            send(buffer[..WriteRarp(buffer, cardMac)]);
        }
    }

    private static ulong ReadMac(ReadOnlySpan<byte> mac) =>
        ((ulong)BinaryPrimitives.ReadUInt16BigEndian(mac) << 32) | BinaryPrimitives.ReadUInt32BigEndian(mac[2..]);

    private static void WriteMac(Span<byte> target, ulong mac)
    {
        BinaryPrimitives.WriteUInt16BigEndian(target, (ushort)(mac >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(target[2..], (uint)mac);
    }

    private static int WriteEthernet(Span<byte> target, ulong destination, in Address address, int etherType)
    {
        WriteMac(target, destination);
        WriteMac(target[6..], address.Mac);
        var offset = 12;
        // The outer tag of two stands in the higher bits.
        for (var shift = address.Vlan > 0xFFF ? 12 : 0; address.Vlan != 0 && shift >= 0; shift -= 12)
        {
            var type = shift == 12 ? IpProtocols.EtherTypeProviderVlan : IpProtocols.EtherTypeVlan;
            BinaryPrimitives.WriteUInt16BigEndian(target[offset..], (ushort)type);
            BinaryPrimitives.WriteUInt16BigEndian(target[(offset + 2)..], (ushort)((address.Vlan >> shift) & 0xFFF));
            offset += 4;
        }
        BinaryPrimitives.WriteUInt16BigEndian(target[offset..], (ushort)etherType);
        return offset + 2;
    }

    private static int WriteArp(Span<byte> target, in Address address, bool isReply)
    {
        const ulong Broadcast = 0xFFFF_FFFF_FFFF;
        var offset = WriteEthernet(target, Broadcast, address, IpProtocols.EtherTypeArp);
        var arp = target.Slice(offset, 28);
        BinaryPrimitives.WriteUInt64BigEndian(arp, 0x0001_0800_0604_0000UL | (isReply ? 2UL : 1UL));
        WriteMac(arp[8..], address.Mac);
        BinaryPrimitives.WriteUInt32BigEndian(arp[14..], (uint)address.Low);
        WriteMac(arp[18..], isReply ? Broadcast : 0);
        BinaryPrimitives.WriteUInt32BigEndian(arp[24..], (uint)address.Low);
        return PadToMinimum(target, offset + 28);
    }

    private static int WriteRarp(Span<byte> target, ReadOnlySpan<byte> cardMac)
    {
        var address = new Address(ReadMac(cardMac), 0, false, 0, 0, false);
        var offset = WriteEthernet(target, 0xFFFF_FFFF_FFFF, address, IpProtocols.EtherTypeRarp);
        var rarp = target.Slice(offset, 28);
        rarp.Clear();
        // RFC 903: operation 3 asks for the address of the hardware address in both fields.
        BinaryPrimitives.WriteUInt64BigEndian(rarp, 0x0001_0800_0604_0003UL);
        cardMac.CopyTo(rarp[8..]);
        cardMac.CopyTo(rarp[18..]);
        return PadToMinimum(target, offset + 28);
    }

    private static int PadToMinimum(Span<byte> target, int length)
    {
        target[length..Math.Max(length, 60)].Clear();
        return Math.Max(length, 60);
    }

    private static int WriteAdvertisement(Span<byte> target, in Address address)
    {
        // To all nodes, ff02::1, by its multicast MAC. Override is set, solicited is not.
        var offset = WriteEthernet(target, 0x3333_0000_0001, address, IpProtocols.EtherTypeIPv6);
        var ip = target.Slice(offset, 72);
        ip.Clear();
        ip[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(ip[4..], 32);
        ip[6] = IpProtocols.IcmpV6;
        ip[7] = 255;
        BinaryPrimitives.WriteUInt64BigEndian(ip[8..], address.High);
        BinaryPrimitives.WriteUInt64BigEndian(ip[16..], address.Low);
        BinaryPrimitives.WriteUInt64BigEndian(ip[24..], 0xFF02_0000_0000_0000);
        ip[39] = 1;
        var message = ip[40..];
        message[0] = 136;
        message[4] = 0x20;
        ip.Slice(8, 16).CopyTo(message[8..]);
        message[24] = 2;
        message[25] = 1;
        WriteMac(message[26..], address.Mac);
        var checksum = InternetChecksum.ComputeTransport(ip.Slice(8, 16), ip.Slice(24, 16), IpProtocols.IcmpV6, message);
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], checksum);
        return offset + 72;
    }

    private void LearnIPv6(in FrameView view, ulong mac)
    {
        var address = view.SourceAddress;
        var isAdvertisement = view.Kind == FrameKind.IcmpV6 && view.TransportBytes is [136, ..] and { Length: >= 24 };
        if (isAdvertisement)
        {
            address = view.TransportBytes[8..24];
        }
        var high = BinaryPrimitives.ReadUInt64BigEndian(address);
        var low = BinaryPrimitives.ReadUInt64BigEndian(address[8..]);
        if (address[0] != 0xFF && (high != 0 || low > 1))
        {
            // A router forwards others' global addresses; what is advertised or link-local is the guest's own.
            var isOwn = isAdvertisement || high >> 54 == 0x3FA || view is { Kind: FrameKind.IcmpV6 } && view.TransportBytes[0] == 135;
            if (isOwn)
            {
                Remember(new Address(mac, view.VlanKey, true, high, low, true));
            }
        }
    }

    private bool HasCertain(in Address address)
    {
        foreach (var other in addresses)
        {
            if (other.IsCertain && !other.IsIPv6 && other.Mac == address.Mac && other.Vlan == address.Vlan)
            {
                return true;
            }
        }
        return false;
    }

    private void Remember(in Address address)
    {
        for (var i = 0; i < addresses.Count; i++)
        {
            var other = addresses[i];
            if (other.IsIPv6 == address.IsIPv6 && other.Low == address.Low && other.High == address.High && other.Vlan == address.Vlan)
            {
                if (other.Mac != address.Mac || (address.IsCertain && !other.IsCertain))
                {
                    addresses[i] = address;
                }
                return;
            }
        }
        // A certain address displaces an uncertain one when there is no more room.
        if (addresses.Count < AddressesMax)
        {
            addresses.Add(address);
        }
        else if (address.IsCertain && addresses.FindIndex(a => !a.IsCertain) is >= 0 and var at)
        {
            addresses[at] = address;
        }
    }

    private readonly record struct Address(ulong Mac, uint Vlan, bool IsIPv6, ulong High, ulong Low, bool IsCertain);
}
