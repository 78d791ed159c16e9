using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Colo.Vmm.Links;

/// <summary>Opens data links to a peer's <see cref="LinkListener"/>.</summary>
public static class LinkConnector
{
    // From linux/tcp.h: milliseconds for which sent data may stay unacknowledged.
    private const int UserTimeoutOption = 18;

    // A control link is told apart from a dead one by its heartbeats within half a second. TCP itself waits a quarter
    // of an hour, and doubles its pauses meanwhile: behind a cable that is plugged in again, an answer that was sent
    // long ago would wait for seconds, and so would what goes to a peer that another network still reaches.
    private static readonly TimeSpan ControlSilenceMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ControlConnectMax = TimeSpan.FromMilliseconds(500);

    /// <summary>Connects, authenticates, says what the link is for and waits for the answer.</summary>
    /// <param name="peer">Address of the peer's listener.</param>
    /// <param name="open">What the link is for.</param>
    /// <param name="security">Certificates; null only for loopback.</param>
    /// <exception cref="LinkException">The peer refused, or spoke something else.</exception>
    /// <exception cref="IOException">The peer cannot be reached.</exception>
    public static Task<DataLink> ConnectAsync(
        IPEndPoint peer, LinkOpen open, LinkSecurity? security, CancellationToken cancellation) =>
        // Blocking calls on a thread of their own: a socket that was once used asynchronously is watched by the
        // runtime's poller for ever, and a thread that reads from it is woken by way of that one's.
        Task.Factory.StartNew(
            () => Connect(peer, open, security, cancellation),
            cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static DataLink Connect(
        IPEndPoint peer, LinkOpen open, LinkSecurity? security, CancellationToken cancellation)
    {
        if (security is null && !IPAddress.IsLoopback(peer.Address))
        {
            throw new LinkException($"link to {peer}: plain connections are for loopback only; configure certificates");
        }

        var socket = new Socket(peer.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            // What blocks ends with the socket.
            using CancellationTokenRegistration giveUp = cancellation.Register(socket.Dispose);
            Reach(socket, peer, open.Kind == LinkKind.Control);
            Stream stream = new NetworkStream(socket, ownsSocket: false);
            if (security is not null)
            {
                var tls = new SslStream(stream);
                tls.AuthenticateAsClient(security.ClientOptions);
                stream = tls;
            }

            stream.Write(open.ToBytes());
            stream.Flush();
            ReadAnswer(peer, open, stream);
            if (!giveUp.Unregister())
            {
                cancellation.ThrowIfCancellationRequested();
            }

            return new DataLink(open, socket, stream);
        }
        catch (Exception problem) when (problem is not LinkException && cancellation.IsCancellationRequested)
        {
            socket.Dispose();
            throw new OperationCanceledException(problem.Message, problem, cancellation);
        }
        catch (Exception problem) when (problem is SocketException
            or System.Security.Authentication.AuthenticationException or EndOfStreamException or ObjectDisposedException)
        {
            socket.Dispose();
            throw new LinkException($"{open.Kind} link of VM '{open.Vm}' to {peer}: {problem.Message}", inner: problem);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Reach(Socket socket, IPEndPoint peer, bool isControl)
    {
        if (!isControl)
        {
            socket.Connect(peer);
            return;
        }

        if (OperatingSystem.IsLinux())
        {
            Span<byte> milliseconds = stackalloc byte[sizeof(int)];
            MemoryMarshal.Write(milliseconds, (int)ControlSilenceMax.TotalMilliseconds);
            socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, UserTimeoutOption, milliseconds);
        }

        using var limit = new CancellationTokenSource(ControlConnectMax);
        using CancellationTokenRegistration giveUp = limit.Token.Register(socket.Dispose);
        socket.Connect(peer);
    }

    private static void ReadAnswer(IPEndPoint peer, LinkOpen open, Stream stream)
    {
        byte[] bytes = new byte[LinkOpen.AnswerLength];
        stream.ReadExactly(bytes);
        if (!bytes.AsSpan(0, 8).SequenceEqual(LinkOpen.Magic))
        {
            throw new LinkException($"{peer} answered something that is not a data link");
        }

        var answer = (LinkAnswer)BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(10));
        ulong term = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(12));
        if (answer != LinkAnswer.Accepted)
        {
            string detail = answer == LinkAnswer.WrongVersion
                ? $" (peer has {LinkOpen.ReadVersion(bytes)}, this node {LinkOpen.Version})"
                : string.Empty;
            throw new LinkException(
                $"{peer} refused the {open.Kind} link of VM '{open.Vm}' in term {open.Term}: {answer}, its term is {term}{detail}",
                answer, term);
        }
    }
}
