using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Colo.Vmm.Net;

/// <summary>What a connected stream socket still has to deliver.</summary>
internal static partial class SocketQueue
{
    private const nuint OutputQueue = 0x5411;

    /// <summary>
    /// Bytes that the peer's host has not acknowledged (TCP) or the peer not read (Unix), SIOCOUTQ of tcp(7); 0 for a
    /// socket that is closed.
    /// </summary>
    public static int UndeliveredBytes(Socket socket)
    {
        try
        {
            return Control(socket.SafeHandle, OutputQueue, out int bytes) == 0 ? bytes : 0;
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeHandle descriptor, nuint request, out int value);
}
