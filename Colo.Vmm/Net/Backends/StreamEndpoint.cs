using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Colo.Vmm.Net.Backends;

/// <summary>Where a stream socket connects or listens: <c>unix:PATH</c> or <c>tcp:HOST:PORT</c>.</summary>
public sealed record StreamEndpoint(string? UnixPath, string? Host, int Port)
{
    public AddressFamily AddressFamily => UnixPath is null ? AddressFamily.InterNetwork : AddressFamily.Unix;

    /// <summary>False, with what was expected, when the text is neither form.</summary>
    public static bool TryParse(string text, out StreamEndpoint endpoint, out string error)
    {
        endpoint = null!;
        error = $"'{text}': expected unix:PATH or tcp:HOST:PORT";
        if (text.StartsWith("unix:", StringComparison.Ordinal) && text.Length > 5)
        {
            endpoint = new StreamEndpoint(text[5..], null, 0);
            return true;
        }

        int colon = text.LastIndexOf(':');
        if (!text.StartsWith("tcp:", StringComparison.Ordinal) || colon <= 4
            || !int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int port)
            || port is < 0 or > 65535)
        {
            return false;
        }

        endpoint = new StreamEndpoint(null, text[4..colon], port);
        return true;
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
        return new IPEndPoint(addresses[0], Port);
    }

    public override string ToString() => UnixPath is null ? $"tcp:{Host}:{Port}" : $"unix:{UnixPath}";
}
