namespace Colo.Actors.Protocol;

/// <summary>The configured name of a node, unique in the cluster. Ordered by its characters, never by
/// culture.</summary>
public readonly record struct HostId(string Name) : IComparable<HostId>
{
    public int CompareTo(HostId other) => string.CompareOrdinal(Name, other.Name);

    public static bool operator <(HostId left, HostId right) => left.CompareTo(right) < 0;
    public static bool operator >(HostId left, HostId right) => left.CompareTo(right) > 0;
    public static bool operator <=(HostId left, HostId right) => left.CompareTo(right) <= 0;
    public static bool operator >=(HostId left, HostId right) => left.CompareTo(right) >= 0;

    public override string ToString() => Name;
}
