using System.Net;
using Akka.Configuration;

namespace Akka.Remote.Transport.Tcp;

/// <summary>The section <c>akka.remote.dot-netty.tcp</c>.</summary>
internal sealed record TcpSettings
{
    /// <summary>Where to listen.</summary>
    internal required string Hostname { get; init; }

    /// <summary>0: any free port.</summary>
    internal required int Port { get; init; }

    /// <summary>What peers are told to connect to; empty: <see cref="Hostname"/>.</summary>
    internal required string PublicHostname { get; init; }

    /// <summary>0: the port that is bound.</summary>
    internal required int PublicPort { get; init; }

    internal required TimeSpan ConnectionTimeout { get; init; }

    internal required int SendBufferSize { get; init; }

    internal required int ReceiveBufferSize { get; init; }

    /// <summary>The largest serialized message, in bytes.</summary>
    internal required int MaximumFrameSize { get; init; }

    internal required int Backlog { get; init; }

    internal required bool NoDelay { get; init; }

    internal required bool KeepAlive { get; init; }

    /// <summary>Null: plain TCP.</summary>
    internal TlsSettings Tls { get; init; }

    internal static TcpSettings Read(Config section)
    {
        var tls = section.GetBoolean("enable-ssl") ? TlsSettings.Read(section.GetConfig("ssl")) : null;
        var hostname = section.GetString("hostname") ?? "";
        if (hostname.Length == 0)
        {
            hostname = tls is null ? "127.0.0.1" : "0.0.0.0";
        }

        if (tls is null && !section.GetBoolean("allow-plain-beyond-loopback") && !IsLoopback(hostname))
        {
            throw new ConfigurationException(
                $"akka.remote.dot-netty.tcp.hostname = {hostname}: plain TCP is accepted on the loopback interface only; set enable-ssl = on "
                + "with a certificate, or allow-plain-beyond-loopback = on for a network that nobody else can reach.");
        }

        var publicHostname = section.GetString("public-hostname") ?? "";
        return new TcpSettings
        {
            Hostname = hostname,
            Port = Checked(section, "port", 0, ushort.MaxValue),
            PublicHostname = publicHostname.Length > 0 ? publicHostname : Advertised(hostname),
            PublicPort = Checked(section, "public-port", 0, ushort.MaxValue),
            ConnectionTimeout = section.GetTimeSpan("connection-timeout"),
            SendBufferSize = Size(section, "send-buffer-size", 0),
            ReceiveBufferSize = Size(section, "receive-buffer-size", 0),
            MaximumFrameSize = Size(section, "maximum-frame-size", 32_000),
            Backlog = Checked(section, "backlog", 1, int.MaxValue),
            NoDelay = section.GetBoolean("tcp-nodelay", true),
            KeepAlive = section.GetBoolean("tcp-keepalive", true),
            Tls = tls,
        };
    }

    private static string Advertised(string hostname) =>
        IPAddress.TryParse(hostname, out var ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any))
            ? Dns.GetHostName()
            : hostname;

    private static bool IsLoopback(string hostname) =>
        IPAddress.TryParse(hostname, out var ip)
            ? IPAddress.IsLoopback(ip)
            : hostname.Equals("localhost", StringComparison.OrdinalIgnoreCase);

    private static int Checked(Config section, string key, int minimum, int maximum)
    {
        var value = section.GetInt(key);
        return value >= minimum && value <= maximum
            ? value
            : throw new ConfigurationException($"akka.remote.dot-netty.tcp.{key} = {value}; expected {minimum} to {maximum}.");
    }

    private static int Size(Config section, string key, long minimum)
    {
        var value = section.GetByteSize(key) ?? 0;
        return value >= minimum && value <= 256 * 1024 * 1024
            ? (int)value
            : throw new ConfigurationException($"akka.remote.dot-netty.tcp.{key} = {value}; expected {minimum}b to 256MiB.");
    }
}
