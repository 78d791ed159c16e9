using System.Net.Sockets;

namespace Colo.Host.Cli;

/// <summary>Tells systemd that the service is ready (sd_notify(3)); does nothing elsewhere.</summary>
internal static class SystemdNotify
{
    /// <returns>Why it could not be told; null when it was, or nobody is there to be told.</returns>
    public static string? Ready()
    {
        string? path = Environment.GetEnvironmentVariable("NOTIFY_SOCKET");
        return string.IsNullOrEmpty(path) ? null : Tell(path);
    }

    /// <summary>A service manager that is not there any more, or never was, is no reason to end a node.</summary>
    internal static string? Tell(string path)
    {
        // A leading @ stands for an abstract socket, whose name begins with a zero byte.
        string name = path[0] == '@' ? "\0" + path[1..] : path;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo("READY=1"u8, new UnixDomainSocketEndPoint(name));
            return null;
        }
        catch (Exception problem) when (problem is SocketException or ArgumentException)
        {
            return $"NOTIFY_SOCKET {path}: {problem.Message}";
        }
    }
}
