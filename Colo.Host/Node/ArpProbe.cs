using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;

namespace Colo.Host.Node;

/// <summary>
/// Asks by ARP who has an IPv4 address, on one interface of this host (the bridge that the guest's card is in): a probe
/// as in RFC 5227 section 2.1.1, whose sender address is zero, so that the interface needs no address of its own and
/// nobody's table changes. Needs CAP_NET_RAW. One caller at a time.
/// </summary>
internal sealed partial class ArpProbe : IDisposable
{
    private const int FamilyPacket = 17;
    private const int TypeRaw = 3;
    private const int CloseOnExec = 0x80000;
    private const ushort EtherTypeArp = 0x0806;
    private const int FrameBytes = 42;
    private const int AddressBytes = 20;
    private const int HardwareOffset = 12;
    private const ushort HardwareEthernet = 1; // ARPHRD_ETHER
    private const short PollIn = 1;

    private readonly byte[] request = new byte[FrameBytes];
    private readonly int socket;

    /// <exception cref="IOException">The interface is not there, or may not be used.</exception>
    public ArpProbe(string device, IPAddress address)
    {
        // Not by /sys/class/net, which shows the network namespace that it was mounted in.
        uint index = IndexOf(device);
        if (index == 0)
        {
            throw new IOException($"there is no interface '{device}'");
        }

        socket = Open(FamilyPacket, TypeRaw | CloseOnExec, BinaryPrimitives.ReverseEndianness(EtherTypeArp));
        if (socket < 0)
        {
            throw new IOException($"ARP on {device}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        // struct sockaddr_ll, packet(7): family, protocol, interface; the kernel fills in type and hardware address.
        byte[] place = new byte[AddressBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(place, FamilyPacket);
        BinaryPrimitives.WriteUInt16BigEndian(place.AsSpan(2), EtherTypeArp);
        BinaryPrimitives.WriteUInt32LittleEndian(place.AsSpan(4), index);
        uint length = AddressBytes;
        if (Bind(socket, place, AddressBytes) != 0 || NameOf(socket, place, ref length) != 0)
        {
            string why = Marshal.GetLastPInvokeErrorMessage();
            _ = Close(socket);
            throw new IOException($"ARP on {device}: {why}");
        }

        if (BinaryPrimitives.ReadUInt16LittleEndian(place.AsSpan(8)) != HardwareEthernet)
        {
            _ = Close(socket);
            throw new IOException($"interface '{device}' is no Ethernet");
        }

        ReadOnlySpan<byte> own = place.AsSpan(HardwareOffset, 6);
        request.AsSpan(0, 6).Fill(0xff);
        own.CopyTo(request.AsSpan(6));
        // Ethernet/IPv4, lengths 6 and 4, request (RFC 826).
        ReadOnlySpan<byte> head = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1];
        head.CopyTo(request.AsSpan(12));
        own.CopyTo(request.AsSpan(22));
        address.GetAddressBytes().CopyTo(request.AsSpan(38));
    }

    /// <summary>Whether the owner of the address answers in time.</summary>
    /// <exception cref="IOException">The interface is down, or has been deleted, which needs a new probe even when
    /// there is another one of its name.</exception>
    public bool Ask(TimeSpan timeout)
    {
        byte[] frame = new byte[2048];
        var clock = Stopwatch.StartNew();
        if (Send(socket, request, FrameBytes, 0) != FrameBytes)
        {
            throw new IOException($"ARP: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        for (TimeSpan left = timeout; left > TimeSpan.Zero; left = timeout - clock.Elapsed)
        {
            var wait = new PollEntry { Socket = socket, Events = PollIn };
            if (Poll(ref wait, 1, (int)Math.Ceiling(left.TotalMilliseconds)) <= 0)
            {
                continue;
            }

            int length = (int)Receive(socket, frame, (nuint)frame.Length, 0);
            if (length >= FrameBytes && IsAnswer(frame))
            {
                return true;
            }
        }

        return false;
    }

    public void Dispose() => _ = Close(socket);

    /// <summary>A reply to this host about the address: opcode 2, and the sender is who was asked for.</summary>
    internal bool IsAnswer(ReadOnlySpan<byte> frame) =>
        frame.Length >= FrameBytes
        && BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) == EtherTypeArp
        && BinaryPrimitives.ReadUInt16BigEndian(frame[20..]) == 2
        && frame[..6].SequenceEqual(request.AsSpan(6, 6))
        && frame.Slice(28, 4).SequenceEqual(request.AsSpan(38, 4));

    [LibraryImport("libc", EntryPoint = "if_nametoindex", StringMarshalling = StringMarshalling.Utf8)]
    private static partial uint IndexOf(string device);

    [LibraryImport("libc", EntryPoint = "getsockname", SetLastError = true)]
    private static partial int NameOf(int socket, byte[] address, ref uint length);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int Open(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int Bind(int socket, byte[] address, uint length);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(int socket, byte[] data, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(int socket, byte[] data, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollEntry entry, nuint count, int timeout);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int socket);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Socket;
        public short Events;
        public short Returned;
    }
}
