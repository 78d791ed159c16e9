using System.Buffers.Binary;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// The addresses that a guest has used, learnt from its own frames, and the frames that announce them from a new place:
/// gratuitous ARP for IPv4 (RFC 5227, section 3), and one reverse ARP as QEMU sends it, which teaches every bridge on
/// the way even when no address is known yet. An address that somebody else claims is not the guest's any more until it
/// uses it again: its virtual address may have moved to another machine.
/// </summary>
internal sealed class GuestAddresses
{
    private const int KnownMax = 16;
    private const ushort TypeArp = 0x0806;
    private const int ArpFrameLength = 42;
    private readonly List<uint> known = [];

    public void Learn(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> mac)
    {
        if (frame.Length < ArpFrameLength || !frame.Slice(6, 6).SequenceEqual(mac))
        {
            return;
        }

        uint address = BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) switch
        {
            TypeArp => BinaryPrimitives.ReadUInt32BigEndian(frame[28..]),
            0x0800 => BinaryPrimitives.ReadUInt32BigEndian(frame[26..]),
            _ => 0,
        };
        if (address != 0 && !known.Contains(address))
        {
            if (known.Count == KnownMax)
            {
                known.RemoveAt(0);
            }

            known.Add(address);
        }
    }

    /// <summary>A frame of the LAN: ARP from another hardware address than <paramref name="mac"/> claims what it names
    /// as its sender's.</summary>
    public void Hear(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> mac)
    {
        if (frame.Length >= ArpFrameLength && BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) == TypeArp
            && !frame.Slice(22, 6).SequenceEqual(mac))
        {
            known.Remove(BinaryPrimitives.ReadUInt32BigEndian(frame[28..]));
        }
    }

    /// <summary>The guest is gone. Nobody hears what others claim until there is one again.</summary>
    public void Forget() => known.Clear();

    public IEnumerable<byte[]> Announcements(byte[] mac)
    {
        yield return Arp(mac, 0x8035, 3, 0);
        foreach (uint address in known)
        {
            yield return Arp(mac, TypeArp, 1, address);
            yield return Arp(mac, TypeArp, 2, address);
        }
    }

    private static byte[] Arp(ReadOnlySpan<byte> mac, ushort etherType, ushort operation, uint address)
    {
        byte[] frame = new byte[60];
        frame.AsSpan(0, 6).Fill(0xff);
        mac.CopyTo(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), etherType);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(14), 1);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), 0x0800);
        frame[18] = 6;
        frame[19] = 4;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(20), operation);
        mac.CopyTo(frame.AsSpan(22));
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(28), address);
        mac.CopyTo(frame.AsSpan(32));
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(38), address);
        return frame;
    }
}
