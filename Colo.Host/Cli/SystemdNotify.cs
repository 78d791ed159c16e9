using System.Net.Sockets;
using System.Text;

namespace Colo.Host.Cli;

/// <summary>Tells systemd that the service is ready (sd_notify(3)); does nothing elsewhere.</summary>
internal static class SystemdNotify
{
    public static void Ready()
    {
        string? path = Environment.GetEnvironmentVariable("NOTIFY_SOCKET");
        if (string.IsNullOrEmpty(path))
        {
            return;
        }

        // A leading @ stands for an abstract socket, whose name begins with a zero byte.
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.SendTo(Encoding.ASCII.GetBytes("READY=1"), new UnixDomainSocketEndPoint(path[0] == '@' ? "\0" + path[1..] : path));
    }
}
