using Akka.Actor;

namespace Akka.Cluster;

/// <summary>One incarnation of a node: a restarted system has the same address and another <see cref="Uid"/>.</summary>
#pragma warning disable CA1036 // Akka.NET's UniqueAddress has no order operators, so a program that used ours would not compile there.
public class UniqueAddress : IComparable<UniqueAddress>, IEquatable<UniqueAddress>, IComparable
#pragma warning restore CA1036
{
    public UniqueAddress(Address address, int uid)
    {
        ArgumentNullException.ThrowIfNull(address);
        Address = address;
        Uid = uid;
    }

    public Address Address { get; }

    public int Uid { get; }

    public static bool operator ==(UniqueAddress left, UniqueAddress right) => Equals(left, right);

    public static bool operator !=(UniqueAddress left, UniqueAddress right) => !Equals(left, right);

    public bool Equals(UniqueAddress other) => other is not null && Uid == other.Uid && Address.Equals(other.Address);

    public override bool Equals(object obj) => Equals(obj as UniqueAddress);

    // Not Address.GetHashCode, which differs from process to process: sets of nodes must come in the same order in a
    // repeated simulation.
    public override int GetHashCode() => unchecked((Uid * 397) ^ (Address.Port ?? 0));

    public int CompareTo(UniqueAddress other) => CompareTo(other, Member.AddressOrdering);

    int IComparable.CompareTo(object obj) => CompareTo(obj as UniqueAddress);

    public override string ToString() => $"UniqueAddress: ({Address}, {Uid})";

    internal int CompareTo(UniqueAddress other, IComparer<Address> addresses)
    {
        if (other is null)
        {
            return 1;
        }

        var order = addresses.Compare(Address, other.Address);
        return order != 0 ? order : Uid.CompareTo(other.Uid);
    }
}
