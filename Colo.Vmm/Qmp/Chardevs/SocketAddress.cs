using System.Globalization;
using Colo.Vmm.Net.Backends;
using Colo.Vmm.Qmp.Parts;

namespace Colo.Vmm.Qmp.Chardevs;

/// <summary>QEMU's SocketAddress in its forms: with the type's members in "data", or beside the type.</summary>
internal static class SocketAddress
{
    /// <summary>{type: inet|unix, data: {...}}, as chardev-add and nbd-server-start have it.</summary>
    public static StreamEndpoint ReadLegacy(QmpFields fields)
    {
        string type = fields.Choice("type", null, "inet", "unix");
        return Read(type, fields.Nested("data"));
    }

    /// <summary>{type: inet|unix, ...}, as blockdev-add has it.</summary>
    public static StreamEndpoint ReadFlat(QmpFields fields) =>
        Read(fields.Choice("type", null, "inet", "unix"), fields);

    /// <summary>host= and port=, or path=, as options of the command line.</summary>
    public static StreamEndpoint ReadOptions(QmpFields fields) =>
        Read(fields.Has("path") ? "unix" : "inet", fields);

    private static StreamEndpoint Read(string type, QmpFields fields)
    {
        if (type == "unix")
        {
            return Usable("path", fields.Text("path"), new StreamEndpoint(fields.Text("path"), null, 0));
        }

        string host = fields.TextOrNull("host") is { Length: > 0 } given ? given : "127.0.0.1";
        string port = fields.Text("port");
        // IPv4 alone is spoken here; the switches of QEMU's inet addresses that agree with that are taken.
        if (fields.Switch("ipv6", false) || !fields.Switch("ipv4", true))
        {
            throw new QmpFailureException("IPv6 sockets are not supported, expected an IPv4 address");
        }

        return int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= 65535
            ? Usable("host", host, new StreamEndpoint(null, host, number))
            : throw new QmpFailureException($"Parameter 'port' is '{port}', expected 0 to 65535");
    }

    private static StreamEndpoint Usable(string name, string value, StreamEndpoint address) =>
        address.Problem is { } problem
            ? throw new QmpFailureException($"Parameter '{name}' is '{value}': {problem}")
            : address;
}
