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

    // A control link is told apart from a dead one by its heartbeats within half a second. TCP itself waits a quarter of
    // an hour, and doubles its pauses meanwhile: behind a cable that is plugged in again, an answer that was sent long
    // ago would wait for seconds, and so would what goes to a peer that another network still reaches.
    private static readonly TimeSpan ControlSilenceMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ControlConnectMax = TimeSpan.FromMilliseconds(500);

    /// <summary>Connects, authenticates, says what the link is for and waits for the answer.</summary>
    /// <param name="peer">Address of the peer's listener.</param>
    /// <param name="open">What the link is for.</param>
    /// <param name="security">Certificates; null only for loopback.</param>
    /// <exception cref="LinkException">The peer refused, or spoke something else.</exception>
    /// <exception cref="IOException">The peer cannot be reached.</exception>
    public static async Task<DataLink> ConnectAsync(
        IPEndPoint peer, LinkOpen open, LinkSecurity? security, CancellationToken cancellation)
    {
        if (security is null && !IPAddress.IsLoopback(peer.Address))
        {
            throw new LinkException($"link to {peer}: plain connections are for loopback only; configure certificates");
        }

        var socket = new Socket(peer.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await ReachAsync(socket, peer, open.Kind == LinkKind.Control, cancellation).ConfigureAwait(false);
            Stream stream = new NetworkStream(socket, ownsSocket: false);
            if (security is not null)
            {
                var tls = new SslStream(stream);
                await tls.AuthenticateAsClientAsync(security.ClientOptions, cancellation).ConfigureAwait(false);
                stream = tls;
            }

            await stream.WriteAsync(open.ToBytes(), cancellation).ConfigureAwait(false);
            await stream.FlushAsync(cancellation).ConfigureAwait(false);
            await ReadAnswerAsync(peer, open, stream, cancellation).ConfigureAwait(false);
            return new DataLink(open, socket, stream);
        }
        catch (Exception problem) when (problem is SocketException or System.Security.Authentication.AuthenticationException or EndOfStreamException)
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

    private static async Task ReachAsync(Socket socket, IPEndPoint peer, bool isControl, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (isControl)
        {
            limit.CancelAfter(ControlConnectMax);
            if (OperatingSystem.IsLinux())
            {
                Span<byte> milliseconds = stackalloc byte[sizeof(int)];
                MemoryMarshal.Write(milliseconds, (int)ControlSilenceMax.TotalMilliseconds);
                socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, UserTimeoutOption, milliseconds);
            }
        }

        await socket.ConnectAsync(peer, limit.Token).ConfigureAwait(false);
    }

    private static async Task ReadAnswerAsync(IPEndPoint peer, LinkOpen open, Stream stream, CancellationToken cancellation)
    {
        byte[] bytes = new byte[LinkOpen.AnswerLength];
        await stream.ReadExactlyAsync(bytes, cancellation).ConfigureAwait(false);
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
