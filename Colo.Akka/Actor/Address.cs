using Akka.Util;

namespace Akka.Actor;

/// <summary>
/// Where an actor system is: <c>akka://sys</c> inside the process, <c>akka.tcp://sys@host:port</c> seen from others.
/// </summary>
public sealed class Address : IEquatable<Address>, IComparable<Address>, IComparable, ISurrogated, ICloneable
{
    public static readonly Address AllSystems = new("akka", "all-systems");

    public static readonly IComparer<Address> Comparer = Comparer<Address>.Create(Compare);

    private readonly int _hash;
    private string _text;

    public Address(string protocol, string system, string host = null, int? port = null)
    {
        Protocol = protocol;
        System = system;
        Host = host?.ToLowerInvariant();
        Port = port;
        _hash = HashCode.Combine(Protocol, System, Host, Port);
    }

    public string Protocol { get; }

    public string System { get; }

    /// <summary>Null for an address that means "here".</summary>
    public string Host { get; }

    public int? Port { get; }

    public bool HasLocalScope => string.IsNullOrEmpty(Host);

    public bool HasGlobalScope => !string.IsNullOrEmpty(Host);

    public static bool operator ==(Address left, Address right) => left?.Equals(right) ?? right is null;

    public static bool operator !=(Address left, Address right) => !(left == right);

    /// <exception cref="UriFormatException">The text is not an address.</exception>
    public static Address Parse(string address) =>
        TryParse(address, out var parsed)
            ? parsed
            : throw new UriFormatException($"Cannot parse address '{address}': expected protocol://system[@host:port]");

    public static bool TryParse(string path, out Address address) => TryParse(path, out address, out _);

    /// <summary>Reads the address at the start of a path; <paramref name="absolutUri"/> is what follows it.</summary>
    public static bool TryParse(string path, out Address address, out string absolutUri)
    {
        absolutUri = null;
        if (!TryParse(path.AsSpan(), out address, out var rest))
        {
            return false;
        }

        absolutUri = rest.IsEmpty ? "/" : rest.ToString();
        return true;
    }

    public static bool TryParse(ReadOnlySpan<char> span, out Address address) => TryParse(span, out address, out _);

    public static bool TryParse(ReadOnlySpan<char> span, out Address address, out ReadOnlySpan<char> absolutUri)
    {
        address = null;
        absolutUri = default;
        var scheme = span.IndexOf("://".AsSpan(), StringComparison.Ordinal);
        if (scheme <= 0 || !span.StartsWith("akka", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var protocol = span[..scheme];
        var authority = span[(scheme + 3)..];
        var slash = authority.IndexOf('/');
        if (slash >= 0)
        {
            absolutUri = authority[slash..];
            authority = authority[..slash];
        }

        return TryParseAuthority(protocol, authority, out address);
    }

    public string HostPort() => ToString()[(Protocol.Length + 3)..];

    public Address WithProtocol(string protocol) => new(protocol, System, Host, Port);

    public Address WithSystem(string system) => new(Protocol, system, Host, Port);

    public Address WithHost(string host = null) => new(Protocol, System, host, Port);

    public Address WithPort(int? port = null) => new(Protocol, System, Host, port);

    public object Clone() => new Address(Protocol, System, Host, Port);

    public ISurrogate ToSurrogate(ActorSystem system) =>
        new AddressSurrogate { Protocol = Protocol, System = System, Host = Host, Port = Port };

    public int CompareTo(Address other) => Compare(this, other);

    int IComparable.CompareTo(object obj) => Compare(this, obj as Address);

    public bool Equals(Address other) =>
        other is not null
        && (ReferenceEquals(this, other)
            || (_hash == other._hash && Port == other.Port
                && string.Equals(Host, other.Host, StringComparison.Ordinal)
                && string.Equals(System, other.System, StringComparison.Ordinal)
                && string.Equals(Protocol, other.Protocol, StringComparison.Ordinal)));

    public override bool Equals(object obj) => Equals(obj as Address);

    public override int GetHashCode() => _hash;

    public override string ToString() => _text ??= Format();

    private string Format() => (Host, Port) switch
    {
        (null or "", _) => $"{Protocol}://{System}",
        (_, null) => $"{Protocol}://{System}@{Host}",
        _ => $"{Protocol}://{System}@{Host}:{Port.Value}",
    };

    private static int Compare(Address left, Address right)
    {
        if (left is null || right is null)
        {
            return (left is null ? 0 : 1) - (right is null ? 0 : 1);
        }

        var order = string.CompareOrdinal(left.Protocol, right.Protocol);
        order = order != 0 ? order : string.CompareOrdinal(left.System, right.System);
        order = order != 0 ? order : string.CompareOrdinal(left.Host ?? "", right.Host ?? "");
        return order != 0 ? order : (left.Port ?? 0).CompareTo(right.Port ?? 0);
    }

    private static bool TryParseAuthority(ReadOnlySpan<char> protocol, ReadOnlySpan<char> authority, out Address address)
    {
        address = null;
        var at = authority.IndexOf('@');
        if (at < 0)
        {
            // akka://sys, but also akka.tcp://host:port, which no system of ours writes: a system name has no colon.
            if (authority.IsEmpty || authority.Contains(':'))
            {
                return false;
            }

            address = new Address(protocol.ToString(), authority.ToString());
            return true;
        }

        var system = authority[..at];
        var hostPort = authority[(at + 1)..];
        var colon = hostPort.LastIndexOf(':');
        if (system.IsEmpty || colon <= 0 || !ushort.TryParse(hostPort[(colon + 1)..], out var port))
        {
            return false;
        }

        address = new Address(protocol.ToString(), system.ToString(), hostPort[..colon].ToString(), port);
        return true;
    }

    public sealed class AddressSurrogate : ISurrogate
    {
        public string Protocol { get; set; }

        public string System { get; set; }

        public string Host { get; set; }

        public int? Port { get; set; }

        public ISurrogated FromSurrogate(ActorSystem system) => new Address(Protocol, System, Host, Port);
    }
}
