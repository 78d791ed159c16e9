using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Colo.Vmm.Net.Backends;

/// <summary>Where a stream socket connects or listens: <c>unix:PATH</c> or <c>tcp:HOST:PORT</c>.</summary>
public sealed record StreamEndpoint(string? UnixPath, string? Host, int Port)
{
    /// <summary>The kernel's sockaddr_un has 108 bytes for a path and its terminating zero.</summary>
    private const int UnixPathBytesMax = 107;

    /// <summary>The longest name that DNS knows, written with dots (RFC 1035, section 2.3.4).</summary>
    private const int HostLengthMax = 253;

    public AddressFamily AddressFamily => UnixPath is null ? AddressFamily.InterNetwork : AddressFamily.Unix;

    /// <summary>False, with what was expected, when the text is neither form.</summary>
    public static bool TryParse(string text, out StreamEndpoint endpoint, out string error)
    {
        endpoint = null!;
        error = $"'{text}': expected unix:PATH or tcp:HOST:PORT";
        if (text.StartsWith("unix:", StringComparison.Ordinal) && text.Length > 5)
        {
            endpoint = new StreamEndpoint(text[5..], null, 0);
            return IsUsable(text, endpoint, ref error);
        }

        int colon = text.LastIndexOf(':');
        if (!text.StartsWith("tcp:", StringComparison.Ordinal) || colon <= 4
            || !int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int port)
            || port is < 0 or > 65535)
        {
            return false;
        }

        endpoint = new StreamEndpoint(null, text[4..colon], port);
        return IsUsable(text, endpoint, ref error);
    }

    /// <summary>
    /// Why no socket can have this address, whatever the host's state: what it is and what was expected. Null when one
    /// can. Asked wherever an address is read, so that nobody who connects later, on a thread of his own, meets it.
    /// </summary>
    internal string? Problem
    {
        get
        {
            if (UnixPath is { } path)
            {
                int bytes = Encoding.UTF8.GetByteCount(path);
                return bytes is > 0 and <= UnixPathBytesMax ? null
                    : $"the path has {bytes} bytes, expected 1 to {UnixPathBytesMax}";
            }

            return Host is not { Length: > 0 and <= HostLengthMax }
                ? $"the host has {Host?.Length ?? 0} characters, expected 1 to {HostLengthMax}"
                : IPAddress.TryParse(Host, out IPAddress? address) && address.AddressFamily != AddressFamily
                    ? $"the host is '{Host}', expected a name or an IPv4 address"
                    : null;
        }
    }

    /// <summary>Makes room for a listener: a socket that nobody listens at any more keeps its path.</summary>
    /// <exception cref="IOException">What is there cannot be removed.</exception>
    internal void RemoveStale()
    {
        if (UnixPath is not { } path)
        {
            return;
        }

        try
        {
            File.Delete(path);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException(
                Directory.Exists(path) ? $"'{path}' is a directory, expected the path of a socket" : e.Message, e);
        }
    }

    /// <summary>A listener's end: its path goes, if it is still there.</summary>
    internal void RemoveOwn()
    {
        try
        {
            RemoveStale();
        }
        catch (IOException)
        {
            // Its folder went before, or somebody else's is there now; neither is a reason to stop an end half way.
        }
    }

    /// <exception cref="SocketException">The host name is unknown.</exception>
    internal EndPoint Resolve()
    {
        if (UnixPath is not null)
        {
            return new UnixDomainSocketEndPoint(UnixPath);
        }

        if (IPAddress.TryParse(Host, out IPAddress? address))
        {
            // The resolver refuses 0.0.0.0, which a listener may well have.
            return new IPEndPoint(address, Port);
        }

        IPAddress[] addresses = Dns.GetHostAddresses(Host!, AddressFamily.InterNetwork);
        return addresses.Length > 0
            ? new IPEndPoint(addresses[0], Port)
            : throw new SocketException((int)SocketError.HostNotFound);
    }

    public override string ToString() => UnixPath is null ? $"tcp:{Host}:{Port}" : $"unix:{UnixPath}";

    private static bool IsUsable(string text, StreamEndpoint endpoint, ref string error)
    {
        if (endpoint.Problem is not { } problem)
        {
            return true;
        }

        error = $"'{text}': {problem}";
        return false;
    }
}
