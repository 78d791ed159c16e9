using System.Buffers.Binary;
using Colo.Vmm.Net;

namespace Colo.EndToEnd.Machine;

/// <summary>A host on the other end of the wire that has every address: answers ARP (RFC 826) and echo requests
/// (RFC 792) at once.</summary>
internal sealed class PingPeer : INetworkBackend
{
    private const int Addresses = 14;
    private static readonly byte[] s_mac = [0x52, 0x54, 0, 0x77, 0, 9];
    private FrameHandler? _received;

    public FrameHandler? Received
    {
        set => _received = value;
    }

    public void Send(ReadOnlySpan<byte> frame)
    {
        byte[] answer = [.. frame];
        bool known = BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) switch
        {
            0x0806 when frame.Length >= 42 => AnswerArp(answer),
            0x0800 when frame.Length >= 42 && frame[23] == 1 && frame[34] == 8 => AnswerEcho(answer),
            _ => false,
        };
        if (known)
        {
            frame.Slice(6, 6).CopyTo(answer);
            s_mac.CopyTo(answer, 6);
            _received?.Invoke(answer);
        }
    }

    public void Dispose()
    {
    }

    private static bool AnswerArp(Span<byte> packet)
    {
        Span<byte> sender = packet.Slice(Addresses + 8, 10);
        Span<byte> target = packet.Slice(Addresses + 18, 10);
        s_mac.CopyTo(target);
        Swap(sender, target);
        packet[Addresses + 7] = 2;
        return true;
    }

    private static bool AnswerEcho(Span<byte> packet)
    {
        Swap(packet.Slice(26, 4), packet.Slice(30, 4));
        packet[34] = 0;
        // The type is 8 less, so the checksum's complement is 0x0800 more, carried around (RFC 1624).
        int sum = BinaryPrimitives.ReadUInt16BigEndian(packet[36..]) + 0x0800;
        BinaryPrimitives.WriteUInt16BigEndian(packet[36..], (ushort)((sum & 0xffff) + (sum >> 16)));
        return true;
    }

    private static void Swap(Span<byte> one, Span<byte> other)
    {
        byte[] kept = [.. one];
        other.CopyTo(one);
        kept.CopyTo(other);
    }
}
