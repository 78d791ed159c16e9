using System.Net;
using System.Net.Sockets;

namespace Colo.Vmm.Block;

/// <summary>Sockets and their failures.</summary>
internal static class LinkStreams
{
    /// <summary>What a stream throws when its link or its security layer fails; anything else is a defect of
    /// ours.</summary>
    public static bool IsLinkFailure(Exception error) =>
        error is IOException or SocketException or ObjectDisposedException or InvalidOperationException
            or NotSupportedException or System.Security.Authentication.AuthenticationException
            or System.ComponentModel.Win32Exception or System.Security.Cryptography.CryptographicException;

    public static bool TryWrite(Stream stream, ReadOnlySpan<byte> data)
    {
        try
        {
            stream.Write(data);
            return true;
        }
        catch (Exception error) when (IsLinkFailure(error))
        {
            return false;
        }
    }

    public static void Abort(Stream stream)
    {
        try
        {
            stream.Dispose();
        }
        catch (Exception error) when (IsLinkFailure(error))
        {
            // It was broken already.
        }
    }

    public static Socket CreateSocket(EndPoint endPoint)
    {
        var unix = endPoint is UnixDomainSocketEndPoint;
        var socket = unix
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        Tune(socket);
        return socket;
    }

    public static void Tune(Socket socket)
    {
        if (socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
        {
            socket.NoDelay = true;
        }
    }
}
