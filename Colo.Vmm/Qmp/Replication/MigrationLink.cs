using System.Net.Sockets;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Memory;
using Colo.Vmm.Net.Backends;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// The two TCP connections of a migration, one for control and one for pages. Each begins with eight bytes: COLOMIG
/// and what it is, so that the listener need not trust the order in which they arrive: 'C' control of a migration,
/// 'R' control of one that goes on as COLO, 'P' pages.
/// </summary>
internal static class MigrationLink
{
    public const int PreambleSize = 8;
    public const byte PlainControl = (byte)'C';
    public const byte ColoControl = (byte)'R';
    public const byte Pages = (byte)'P';
    private const ulong Session = 1;
    private const ulong Term = 1;

    private static ReadOnlySpan<byte> Magic => "COLOMIG"u8;

    /// <summary>Stamps count epochs within the one term of a link; there is no arbiter here.</summary>
    public static CheckpointStamp Stamp(ulong epoch) => new(Term, epoch);

    /// <exception cref="SocketException">Nobody listens there.</exception>
    /// <exception cref="IOException">The other end is no fitting machine.</exception>
    public static CheckpointLink Connect(StreamEndpoint peer, bool isColo, GuestRam ram, Action<Socket> opened)
    {
        Stream control = Dial(peer, isColo ? ColoControl : PlainControl, opened);
        Stream pages = Dial(peer, Pages, opened);
        return Open(LinkRole.Primary, ram, control, pages);
    }

    /// <summary>Whether what has come so far is how a preamble begins.</summary>
    public static bool IsBeginOfPreamble(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith(Magic) || Magic.StartsWith(bytes);

    /// <summary>Waits for both connections of a migration, whoever else connects.</summary>
    /// <exception cref="IOException">They are of no fitting machine.</exception>
    public static CheckpointLink Accept(
        MigrationListener listener, GuestRam ram, Action<Socket> opened, out bool isColo)
    {
        (Socket control, Socket pages, isColo) = listener.Accept();
        opened(control);
        opened(pages);
        return Open(LinkRole.Secondary, ram, ToStream(control), ToStream(pages));
    }

    private static CheckpointLink Open(LinkRole role, GuestRam ram, Stream control, Stream pages)
    {
        var own = new CheckpointLinkParameters(role, Session, Term, ram.BaseAddress, ram.SizeBytes, LinkFeatures.Delta);
        return CheckpointLink.TryOpen(own, control, [pages], out string error) ?? throw new IOException(error);
    }

    private static NetworkStream Dial(StreamEndpoint peer, byte kind, Action<Socket> opened)
    {
        var socket = new Socket(peer.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        opened(socket);
        socket.Connect(peer.Resolve());
        NetworkStream stream = ToStream(socket);
        stream.Write([.. Magic, kind]);
        return stream;
    }

    private static NetworkStream ToStream(Socket socket)
    {
        if (socket.ProtocolType == ProtocolType.Tcp || socket.AddressFamily == AddressFamily.InterNetwork)
        {
            socket.NoDelay = true;
        }

        return new NetworkStream(socket, ownsSocket: true);
    }
}
