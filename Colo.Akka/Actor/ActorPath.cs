using System.Globalization;
using Akka.Util;

namespace Akka.Actor;

/// <summary>
/// The name of an actor from the root of its system down. Two paths are equal when address and names are; the uid,
/// which tells one incarnation of a name from the next, belongs to the reference.
/// </summary>
public abstract class ActorPath : IEquatable<ActorPath>, IComparable<ActorPath>, ISurrogated
{
    private const string ValidSymbols = "\"-_.*$+:@&=,!~';()";

    private readonly ActorPath _parent;
    private readonly Address _address;
    private int _hash;

    protected ActorPath(Address address, string name)
    {
        _address = address;
        Name = name;
    }

    protected ActorPath(ActorPath parentPath, string name, long uid)
    {
        _parent = parentPath;
        _address = parentPath._address;
        Depth = parentPath.Depth + 1;
        Uid = uid;
        Name = name;
    }

    public string Name { get; }

    public Address Address => _address;

    public long Uid { get; }

    /// <summary>Null for the root.</summary>
    public ActorPath? Parent => _parent;

    /// <summary>How many names stand between the root and this actor; 0 for the root.</summary>
    public int Depth { get; }

    public ActorPath Root => ParentOf(0);

    public IReadOnlyList<string> Elements
    {
        get
        {
            var names = new string[Depth];
            var path = this;
            for (var i = Depth - 1; i >= 0; i--)
            {
                names[i] = path.Name;
                path = path._parent;
            }

            return names;
        }
    }

    public static ActorPath operator /(ActorPath path, string name) => path.Child(name);

    public static ActorPath operator /(ActorPath path, IEnumerable<string> name) =>
        name.Where(n => !string.IsNullOrEmpty(n)).Aggregate(path, (p, n) => p / n);

    public static bool operator ==(ActorPath left, ActorPath right) => left?.Equals(right) ?? right is null;

    public static bool operator !=(ActorPath left, ActorPath right) => !(left == right);

    /// <summary>
    /// ASCII letters, digits and a few symbols, percent escapes, no leading <c>$</c> (kept for the system).
    /// </summary>
    public static bool IsValidPathElement(string s)
    {
        if (string.IsNullOrEmpty(s) || s[0] == '$')
        {
            return false;
        }

        for (var i = 0; i < s.Length; i++)
        {
            if (s[i] == '%')
            {
                if (i + 2 >= s.Length || !char.IsAsciiHexDigit(s[i + 1]) || !char.IsAsciiHexDigit(s[i + 2]))
                {
                    return false;
                }

                i += 2;
            }
            else if (!char.IsAsciiLetterOrDigit(s[i]) && !ValidSymbols.Contains(s[i]))
            {
                return false;
            }
        }

        return true;
    }

    public static string FormatPathElements(IEnumerable<string> pathElements) => "/" + string.Join('/', pathElements);

    /// <exception cref="UriFormatException">The text is not an absolute actor path.</exception>
    public static ActorPath Parse(string path) =>
        TryParse(path, out var parsed)
            ? parsed
            : throw new UriFormatException($"Can not parse an ActorPath: '{path}', expected akka://system/name/name");

    public static bool TryParse(string path, out ActorPath actorPath)
    {
        actorPath = null;
        return path is not null && Address.TryParse(path.AsSpan(), out var address, out var rest)
            && TryParse(new RootActorPath(address), rest, out actorPath);
    }

    public static bool TryParse(ActorPath basePath, string absoluteUri, out ActorPath actorPath) =>
        TryParse(basePath, absoluteUri.AsSpan(), out actorPath);

    /// <summary>Reads <c>/name/name#uid</c> below <paramref name="basePath"/>.</summary>
    public static bool TryParse(ActorPath basePath, ReadOnlySpan<char> absoluteUri, out ActorPath actorPath)
    {
        actorPath = basePath;
        var rest = absoluteUri;
        long uid = 0;
        var hash = rest.LastIndexOf('#');
        if (hash >= 0)
        {
            if (!long.TryParse(rest[(hash + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out uid))
            {
                return false;
            }

            rest = rest[..hash];
        }

        foreach (var range in rest.Split('/'))
        {
            var name = rest[range];
            if (!name.IsEmpty)
            {
                actorPath = new ChildActorPath(actorPath, name.ToString(), ActorCell.UndefinedUid);
            }
        }

        actorPath = uid == 0 ? actorPath : actorPath.WithUid(uid);
        return true;
    }

    public static bool TryParseAddress(string path, out Address address) => Address.TryParse(path, out address);

    public static bool TryParseAddress(string path, out Address address, out ReadOnlySpan<char> absoluteUri) =>
        Address.TryParse(path.AsSpan(), out address, out absoluteUri);

    /// <summary>The ancestor at <paramref name="depth"/> from the root, or from this path up when negative.</summary>
    public ActorPath ParentOf(int depth)
    {
        var steps = depth >= 0 ? Depth - depth : -depth;
        var path = this;
        for (; steps > 0 && path._parent is not null; steps--)
        {
            path = path._parent;
        }

        return path;
    }

    /// <summary>A <c>#uid</c> at the end of <paramref name="childName"/> becomes the uid of the child.</summary>
    public ActorPath Child(string childName)
    {
        var (name, uid) = Internal.ActorNames.Split(childName);
        return new ChildActorPath(this, name, uid);
    }

    public ActorPath WithUid(long uid) =>
        uid == Uid || _parent is null ? this : new ChildActorPath(_parent, Name, uid);

    public string ToStringWithoutAddress() => Format(null, false);

    public string ToStringWithAddress() => Format(_address, false);

    public string ToStringWithAddress(Address address) =>
        Format(_address.HasLocalScope && address is not null ? address : _address, false);

    public string ToStringWithUid() => Format(_address, true);

    public string ToSerializationFormat()
    {
        var information = Serialization.Serialization.CurrentTransportInformation;
        return information?.Address is null ? Format(_address, true) : ToSerializationFormatWithAddress(information.Address);
    }

    public string ToSerializationFormatWithAddress(Address address) =>
        Format(_address.HasLocalScope && address is not null ? address : _address, true);

    public ISurrogate ToSurrogate(ActorSystem system) => new Surrogate(ToSerializationFormat());

    public bool Equals(ActorPath other)
    {
        if (other is null || Depth != other.Depth || GetHashCode() != other.GetHashCode())
        {
            return false;
        }

        var (a, b) = (this, other);
        while (!ReferenceEquals(a, b))
        {
            if (!string.Equals(a.Name, b.Name, StringComparison.Ordinal))
            {
                return false;
            }

            if (a._parent is null)
            {
                return a._address.Equals(b._address);
            }

            (a, b) = (a._parent, b._parent);
        }

        return true;
    }

    public override bool Equals(object obj) => Equals(obj as ActorPath);

    public override int GetHashCode()
    {
        if (_hash == 0)
        {
            var hash = HashCode.Combine(_parent?.GetHashCode() ?? _address.GetHashCode(), Name);
            _hash = hash == 0 ? 1 : hash;
        }

        return _hash;
    }

    public int CompareTo(ActorPath other) =>
        other is null ? 1 : string.CompareOrdinal(ToStringWithAddress(), other.ToStringWithAddress());

    public override string ToString() => Format(_address, false);

    private string Format(Address address, bool withUid)
    {
        var prefix = address?.ToString() ?? "";
        if (_parent is null)
        {
            return prefix + "/" + Name;
        }

        var suffix = withUid && Uid != ActorCell.UndefinedUid
            ? "#" + Uid.ToString(CultureInfo.InvariantCulture)
            : "";
        return prefix + "/" + string.Join('/', Elements) + suffix;
    }

    public sealed class Surrogate : ISurrogate, IEquatable<Surrogate>, IEquatable<ActorPath>
    {
        public Surrogate(string path) => Path = path;

        public string Path { get; }

        public ISurrogated FromSurrogate(ActorSystem system) => TryParse(Path, out var path) ? path : null;

        public bool Equals(Surrogate other) => other is not null && string.Equals(Path, other.Path, StringComparison.Ordinal);

        public bool Equals(ActorPath other) =>
            other is not null && string.Equals(Path, other.ToSerializationFormat(), StringComparison.Ordinal);

        public override bool Equals(object obj) => Equals(obj as Surrogate) || Equals(obj as ActorPath);

        public override int GetHashCode() => Path.GetHashCode(StringComparison.Ordinal);
    }
}
