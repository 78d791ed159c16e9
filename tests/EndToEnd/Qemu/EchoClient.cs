using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Colo.Vmm.Net;

namespace Colo.EndToEnd.Qemu;

/// <summary>
/// Somebody in the LAN who asks the guest of guests/x86/echo.asm by UDP, by ICMP and by TCP. Each question has a
/// number. By UDP and ICMP it is asked again until it is answered; every answer must be, byte for byte, to something
/// that was asked.
/// </summary>
internal sealed class EchoClient : IDisposable
{
    private const int EchoPort = 7;
    private const int IcmpEchoRequest = 8;
    private const int IpHeaderBytes = 20;
    private const int IcmpHeaderBytes = 8;
    private const ushort IcmpIdentifier = 0xc010;
    private readonly QemuCluster _cluster;
    private readonly Socket _udp;
    private readonly Socket _icmp;
    private readonly TcpConnections _tcp;
    private readonly byte[] _answer = new byte[512];
    private uint _number;

    public EchoClient(QemuCluster cluster)
    {
        _cluster = cluster;
        // How long to wait before the same is asked again; nothing is judged by it.
        const int patience = 200;
        _udp = cluster.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = patience });
        _icmp = cluster.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Icmp) { ReceiveTimeout = patience });
        _tcp = new TcpConnections(cluster, new IPEndPoint(IPAddress.Parse(QemuCluster.GuestAddress), EchoPort));
    }

    /// <summary>So many questions of each kind, one after the other, all answered. By TCP they are asked on one more
    /// connection than before, and on all those that were opened earlier.</summary>
    public void Ask(int count)
    {
        bool isOpened = false;
        for (int question = 0; question < count; question++)
        {
            Ask(_udp, "UDP", new IPEndPoint(IPAddress.Parse(QemuCluster.GuestAddress), EchoPort), Body(++_number), TakeUdp);
            Ask(_icmp, "ICMP", new IPEndPoint(IPAddress.Parse(QemuCluster.GuestAddress), 0), Echo(++_number), TakeIcmp);
            if (!isOpened)
            {
                _tcp.Open(); // the guest is there: it has answered
                isOpened = true;
            }

            _tcp.Ask();
        }
    }

    public void Dispose()
    {
        _udp.Dispose();
        _icmp.Dispose();
        _tcp.Dispose();
    }

    private void Ask(Socket socket, string kind, IPEndPoint guest, byte[] question, Func<int, uint> take)
    {
        uint asked = _number;
        _cluster.Until(string.Create(CultureInfo.InvariantCulture, $"the answer to {kind} question {asked}"), () =>
        {
            try
            {
                socket.SendTo(question, guest);
                while (true)
                {
                    if (take(socket.Receive(_answer)) == asked)
                    {
                        return true;
                    }
                }
            }
            catch (SocketException problem) when (problem.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock
                or SocketError.HostUnreachable)
            {
                return false; // held, or lost with the primary; asked again, as a client does
            }
        });
    }

    private uint TakeUdp(int length) => Check(_answer.AsSpan(0, length));

    private uint TakeIcmp(int length)
    {
        ReadOnlySpan<byte> message = _answer.AsSpan(IpHeaderBytes, length - IpHeaderBytes);
        if (message[0] != 0 || BinaryPrimitives.ReadUInt16BigEndian(message[4..]) != IcmpIdentifier)
        {
            return 0; // the kernel hands every ICMP message to every raw socket
        }

        Assert.Equal(0xffffu, InternetChecksum.Add(0, message));
        return Check(message[IcmpHeaderBytes..]);
    }

    private uint Check(ReadOnlySpan<byte> body)
    {
        uint answered = BinaryPrimitives.ReadUInt32BigEndian(body);
        Assert.InRange(answered, 1u, _number);
        Assert.Equal(Body(answered), body.ToArray());
        return answered;
    }

    private static byte[] Body(uint number)
    {
        byte[] body = new byte[64];
        body.AsSpan().Fill((byte)number);
        BinaryPrimitives.WriteUInt32BigEndian(body, number);
        return body;
    }

    private static byte[] Echo(uint number)
    {
        byte[] message = [IcmpEchoRequest, 0, 0, 0, 0, 0, 0, 0, .. Body(number)];
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(4), IcmpIdentifier);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(6), (ushort)number);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), (ushort)~InternetChecksum.Add(0, message));
        return message;
    }
}
