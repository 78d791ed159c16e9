using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Colo.EndToEnd.Qemu;

/// <summary>
/// TCP connections of one client to the guest, opened one by one and never closed or opened again: each lives through
/// whatever the guest lives through. A question is sent once; if it or its answer is lost, it is the kernel's TCP that
/// sends it again.
/// </summary>
internal sealed class TcpConnections(QemuCluster cluster, IPEndPoint guest) : IDisposable
{
    private const int LongestBody = 400;

    // The guest tells its connections apart by the last six bits of the client's port.
    private const int FirstPort = 40_000;
    private const int ConnectionsMax = 64;
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(3);
    private readonly List<Socket> _open = [];
    private int _asked;

    public void Open()
    {
        Socket socket = cluster.Network.Run(() =>
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
            {
                NoDelay = true,
                SendTimeout = (int)Hang.TotalMilliseconds,
                ReceiveTimeout = (int)Hang.TotalMilliseconds,
            });
        Assert.True(_open.Count < ConnectionsMax, "the guest knows no more connections");
        socket.Bind(new IPEndPoint(IPAddress.Any, FirstPort + _open.Count));
        _open.Add(socket);
        Do("is opened", socket, () => socket.Connect(guest));
    }

    /// <summary>One question on every connection; each answer is, byte for byte, the question.</summary>
    public void Ask()
    {
        foreach (Socket socket in _open)
        {
            byte[] question = new byte[4 + (_asked % LongestBody)];
            BinaryPrimitives.WriteInt32BigEndian(question, ++_asked);
            question.AsSpan(4).Fill((byte)_asked);
            byte[] answer = new byte[question.Length];
            Do(string.Create(CultureInfo.InvariantCulture, $"answers question {_asked}"), socket, () =>
            {
                socket.Send(question);
                for (int taken = 0; taken < answer.Length;)
                {
                    int length = socket.Receive(answer, taken, answer.Length - taken, SocketFlags.None);
                    Assert.True(length > 0, "the guest has closed the connection");
                    taken += length;
                }
            });
            Assert.Equal(question, answer);
        }
    }

    public void Dispose() => _open.ForEach(socket => socket.Dispose());

    private void Do(string what, Socket socket, Action action)
    {
        try
        {
            action();
        }
        catch (SocketException problem)
        {
            throw new TimeoutException(
                $"connection {_open.IndexOf(socket)} {what}: {problem.Message}\n{cluster.Logs()}", problem);
        }
    }
}
