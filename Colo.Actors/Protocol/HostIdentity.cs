namespace Colo.Actors.Protocol;

/// <summary>A host in one of its lives. Written as <c>host#incarnation</c> in files, events and traces.</summary>
public readonly record struct HostIdentity(HostId Host, Incarnation Incarnation) : IComparable<HostIdentity>
{
    public int CompareTo(HostIdentity other)
    {
        int byHost = Host.CompareTo(other.Host);
        return byHost != 0 ? byHost : Incarnation.Value.CompareTo(other.Incarnation.Value);
    }

    public static bool operator <(HostIdentity left, HostIdentity right) => left.CompareTo(right) < 0;
    public static bool operator >(HostIdentity left, HostIdentity right) => left.CompareTo(right) > 0;
    public static bool operator <=(HostIdentity left, HostIdentity right) => left.CompareTo(right) <= 0;
    public static bool operator >=(HostIdentity left, HostIdentity right) => left.CompareTo(right) >= 0;

    /// <summary>Reads <c>host#incarnation</c>; false for anything else.</summary>
    public static bool TryParse(string? text, out HostIdentity identity)
    {
        identity = default;
        int hash = text?.LastIndexOf('#') ?? -1;
        if (hash <= 0 || !long.TryParse(text.AsSpan(hash + 1), System.Globalization.NumberStyles.AllowLeadingSign,
                System.Globalization.CultureInfo.InvariantCulture, out long incarnation))
        {
            return false;
        }

        identity = new HostIdentity(new HostId(text![..hash]), new Incarnation(incarnation));
        return true;
    }

    public override string ToString() => $"{Host}#{Incarnation}";
}
