using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Colo.EndToEnd.Qemu;

/// <summary>A guest that answers on the network, protected by a pair of QEMUs; everything is judged from the client's side.</summary>
[Trait("Category", "e2e")]
public sealed class QemuEchoTests
{
    private const int EchoPort = 7;

    [KvmTheory]
    [InlineData("colo")]
    [InlineData("periodic")]
    public void A_client_sees_a_pause_and_nothing_else_when_the_primary_is_lost(string mode)
    {
        using var cluster = new QemuCluster("echo", $"mode = {mode}, checkpoint {{ periodic = 200ms }}");
        cluster.Start(0);
        cluster.Until("the guest has booted", () => cluster.Printed(0).Contains("ready"));
        cluster.Start(1);
        cluster.WhenProtected(primary: 0);
        using Socket client = cluster.Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 200 });
        uint number = 0;

        Ask(cluster, client, ref number, 20);
        Assert.True(IsUp(cluster, 0));
        Assert.False(IsUp(cluster, 1), "the secondary's TAP must not be in the LAN");
        cluster.Signal(0, "KILL");
        Ask(cluster, client, ref number, 20);
        cluster.WhenProtected(primary: 1);
        Assert.True(IsUp(cluster, 1));
        Assert.False(IsUp(cluster, 0));
        Ask(cluster, client, ref number, 20);
        cluster.Signal(1, "KILL");
        Ask(cluster, client, ref number, 20);
    }

    /// <summary>Sends until the answer to each is there; an answer must be to something that was asked, word for word.</summary>
    private static void Ask(QemuCluster cluster, Socket client, ref uint number, int count)
    {
        var guest = new IPEndPoint(IPAddress.Parse(QemuCluster.GuestAddress), EchoPort);
        byte[] answer = new byte[256];
        byte[] question = new byte[64];
        for (uint last = number + (uint)count; number < last;)
        {
            uint asked = ++number;
            question.AsSpan().Fill((byte)asked);
            BinaryPrimitives.WriteUInt32BigEndian(question, asked);
            cluster.Until(string.Create(CultureInfo.InvariantCulture, $"the answer to {asked}"), () =>
            {
                client.SendTo(question, guest);
                try
                {
                    int length = client.Receive(answer);
                    uint answered = BinaryPrimitives.ReadUInt32BigEndian(answer);
                    Assert.Equal(question.Length, length);
                    Assert.InRange(answered, 1u, asked);
                    Assert.All(answer[4..length], value => Assert.Equal((byte)answered, value));
                    return answered == asked;
                }
                catch (SocketException problem) when (problem.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock
                    or SocketError.HostUnreachable)
                {
                    return false; // lost, or held; asked again, as a client does
                }
            });
        }
    }

    private static bool IsUp(QemuCluster cluster, int node)
    {
        try
        {
            return cluster.Tool("ip", $"link show tap-{node}").Split('<', '>')[1].Split(',').Contains("UP");
        }
        catch (InvalidOperationException)
        {
            return false; // there is none
        }
    }
}
