using System.Globalization;
using System.Text;
using Colo.Vmm.Machine;
using Colo.Vmm.Net;
using Colo.Vmm.Net.Backends;
using Colo.Vmm.Qmp.Parts;

namespace Colo.Host.Cli;

/// <summary>
/// <c>--nic tap=NAME | stream=unix:PATH|tcp:HOST:PORT[,listen] | none [,mac=AA:BB:CC:DD:EE:FF] [,mtu=N]
/// [,dump=FILE.pcap] [,id=NETDEV]</c>
/// </summary>
internal sealed record NicOption(string? Tap, StreamEndpoint? Stream, bool Listen, string? Dump, byte[]? Mac, int Mtu)
{
    /// <summary>What filters name the card's netdev; null: hn and its number.</summary>
    public string? Id { get; init; }

    public static NicOption Parse(string text)
    {
        var nic = new NicOption(null, null, false, null, null, 1500);
        foreach ((string name, string value) in OptionText.Settings(text))
        {
            nic = name switch
            {
                "tap" when value.Length > 0 => nic with { Tap = value },
                "stream" => nic with { Stream = ParseEndpoint(value) },
                "listen" when value.Length == 0 => nic with { Listen = true },
                "dump" when value.Length > 0 => nic with { Dump = value },
                "mac" => nic with { Mac = ParseMac(value) },
                "id" when value.Length > 0 => nic with { Id = value },
                "mtu" => nic with { Mtu = ParseMtu(value) },
                _ => throw new CommandLineException(
                    $"--nic '{text}': setting '{name}' is not known or lacks its value, expected tap=NAME, "
                    + "stream=unix:PATH|tcp:HOST:PORT, listen, mac=, mtu=, id= or dump=FILE"),
            };
        }

        if (nic.Tap is null && nic.Stream is null && nic.Dump is null)
        {
            throw new CommandLineException($"--nic '{text}': expected tap=NAME, stream=ENDPOINT or dump=FILE");
        }

        if ((nic.Tap is not null && nic.Stream is not null) || (nic.Listen && nic.Stream is null))
        {
            throw new CommandLineException($"--nic '{text}': expected either tap=NAME or stream=ENDPOINT[,listen]");
        }

        return nic;
    }

    public NicOptions Open(int index, MachineParts? parts)
    {
        INetworkBackend? backend = Tap is not null ? new TapBackend(Tap)
            : Stream is not null ? new StreamBackend(Stream, Listen) : null;
        if (Dump is not null)
        {
            backend = new PcapDumpBackend(
                Dump, backend, TimeProvider.System, text => Console.Error.Write($"\r\n[colo] {text}\r\n"));
        }

        byte[] mac = Mac ?? DefaultMac(index);
        return new NicOptions(parts?.AddNetdev(Id ?? $"hn{index}", backend, mac) ?? backend!, mac) { Mtu = Mtu };
    }

    /// <summary>The same command line gives the same address: locally administered, from a hash of what the card hangs
    /// on.</summary>
    private byte[] DefaultMac(int index)
    {
        // FNV-1a: a cryptographic hash would bring OpenSSL into the process, several MiB.
        uint hash = 2166136261;
        foreach (byte b in Encoding.UTF8.GetBytes($"{Tap}{Stream}{Dump}{index}"))
        {
            hash = unchecked((hash ^ b) * 16777619);
        }

        return [0x52, 0x54, 0x00, (byte)(hash >> 24), (byte)(hash >> 16), (byte)(hash >> 8)];
    }

    private static StreamEndpoint ParseEndpoint(string value) => StreamEndpoint.TryParse(value, out StreamEndpoint endpoint, out string error)
        ? endpoint
        : throw new CommandLineException($"--nic stream={error}");

    private static byte[] ParseMac(string value)
    {
        string[] parts = value.Split(':');
        var mac = new byte[6];
        bool valid = parts.Length == 6;
        for (int i = 0; valid && i < 6; i++)
        {
            valid = parts[i].Length == 2 && byte.TryParse(parts[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out mac[i]);
        }

        return valid && (mac[0] & 1) == 0
            ? mac
            : throw new CommandLineException($"--nic mac={value}: expected a unicast address such as 52:54:00:12:34:56");
    }

    private static int ParseMtu(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int mtu) && mtu is >= 68 and <= 65535
            ? mtu
            : throw new CommandLineException($"--nic mtu={value}: expected 68 to 65535");
}
