using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Colo.Vmm.Block.Nbd;

/// <summary>Where an export is: <c>nbd://host:port/export</c>, <c>nbds://...</c> (TLS),
/// <c>nbd+unix:///export?socket=PATH</c>, <c>nbds+unix:///...</c>; the NBD URI specification. The port is 10809
/// unless said.</summary>
/// <param name="Host">Host name or address; empty for a unix socket.</param>
/// <param name="Port">TCP port.</param>
/// <param name="SocketPath">Unix socket, or null.</param>
/// <param name="Export">Export name; empty is the default export.</param>
/// <param name="Tls">Whether the link must be encrypted.</param>
public sealed record NbdUri(string Host, int Port, string? SocketPath, string Export, bool Tls)
{
    /// <summary>The port that IANA gave to NBD.</summary>
    public const int DefaultPort = 10809;

    /// <summary>False with a reason that names what is wrong.</summary>
    public static bool TryParse(string text, out NbdUri? uri, out string? reason)
    {
        uri = null;
        reason = null;
        var schemeEnd = text.IndexOf("://", StringComparison.Ordinal);
        var scheme = schemeEnd < 0 ? "" : text[..schemeEnd];
        if (scheme is not ("nbd" or "nbds" or "nbd+unix" or "nbds+unix" or "nbd+tcp" or "nbds+tcp"))
        {
            reason = $"'{text}': expected nbd://, nbds://, nbd+unix:// or nbds+unix://";
            return false;
        }

        var rest = text[(schemeEnd + 3)..];
        var queryStart = rest.IndexOf('?');
        var query = queryStart < 0 ? "" : rest[(queryStart + 1)..];
        rest = queryStart < 0 ? rest : rest[..queryStart];
        var slash = rest.IndexOf('/');
        var authority = slash < 0 ? rest : rest[..slash];
        var export = slash < 0 ? "" : Uri.UnescapeDataString(rest[(slash + 1)..]);
        var tls = scheme.StartsWith("nbds", StringComparison.Ordinal);
        if (scheme.EndsWith("+unix", StringComparison.Ordinal))
        {
            var path = query.Split('&').FirstOrDefault(part => part.StartsWith("socket=", StringComparison.Ordinal));
            if (authority.Length > 0 || path is null || path.Length == "socket=".Length)
            {
                reason = $"'{text}': a unix socket needs an empty host and ?socket=PATH";
                return false;
            }

            uri = new NbdUri("", 0, Uri.UnescapeDataString(path["socket=".Length..]), export, tls);
            return true;
        }

        var colon = authority.LastIndexOf(':');
        var port = DefaultPort;
        if (colon >= 0 && !authority.EndsWith(']'))
        {
            if (!int.TryParse(authority[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out port)
                || port is < 1 or > 65535)
            {
                reason = $"'{text}': '{authority[(colon + 1)..]}' is no port, expected 1 to 65535";
                return false;
            }

            authority = authority[..colon];
        }

        var host = authority.Trim('[', ']');
        uri = new NbdUri(host.Length == 0 ? "localhost" : host, port, null, export, tls);
        return true;
    }

    /// <summary>The address to connect to. Name resolution happens then.</summary>
    internal EndPoint ToEndPoint() =>
        SocketPath is not null ? new UnixDomainSocketEndPoint(SocketPath)
        : IPAddress.TryParse(Host, out var address) ? new IPEndPoint(address, Port)
        : new DnsEndPoint(Host, Port);
}
