using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Colo.Vmm.Net;

namespace Colo.Vmm.Links;

/// <summary>An open data link: a duplex byte stream to the peer, and a way to end it at once from any thread.</summary>
public sealed class DataLink : IDisposable
{
    // Frames leave in small pieces, each of which the kernel counts at several times its bytes.
    private const int FramesBufferBytes = 1 << 20;
    private const int RoomBytes = 64 << 10;

    private readonly Socket socket;

    internal DataLink(LinkOpen open, Socket socket, Stream stream)
    {
        Open = open;
        this.socket = socket;
        Stream = stream;
        if (open.Kind is LinkKind.Mirror or LinkKind.Compare)
        {
            socket.SendBufferSize = FramesBufferBytes; // the system may give less, a fifth of it is enough
        }
    }

    /// <summary>What the opener asked for.</summary>
    public LinkOpen Open { get; }

    /// <summary>The bytes, after TLS. One reader and one writer at a time.</summary>
    public Stream Stream { get; }

    /// <summary>Name that the peer's certificate carries, or null on a plain loopback link.</summary>
    public string? PeerSubject =>
        (Stream as SslStream)?.RemoteCertificate is X509Certificate2 certificate
            ? certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)
            : null;

    /// <summary>Whether <see cref="TaggedFrameWriter.DirectBytesMax"/> can be written without waiting for the peer. For
    /// mirror and compare links.</summary>
    public bool HasRoom() => SocketQueue.UndeliveredBytes(socket) <= RoomBytes;

    /// <summary>Cuts the connection now: pending reads and writes on both ends fail instead of waiting for a
    /// time-out.</summary>
    public void Abort()
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (SocketException)
        {
            // Already gone, which is what is wanted.
        }
        catch (ObjectDisposedException)
        {
            return;
        }

        socket.Dispose();
    }

    public void Dispose()
    {
        Stream.Dispose();
        socket.Dispose();
    }
}
