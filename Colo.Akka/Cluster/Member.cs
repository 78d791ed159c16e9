using System.Collections.Immutable;
using Akka.Actor;
using Akka.Util;

namespace Akka.Cluster;

/// <summary>
/// A node of the cluster as the gossip knows it. Immutable; equality is that of the unique address. A status changes
/// only along the allowed moves: Joining, WeaklyUp, Up, Leaving, Exiting, Removed forward, and Down or Removed from
/// nearly everywhere.
/// </summary>
#pragma warning disable CA1036 // Akka.NET's Member has no comparison operators, so a program that used ours would not compile there.
public class Member : IComparable<Member>, IComparable
#pragma warning restore CA1036
{
    /// <summary>Sorts by host, then port.</summary>
    public static readonly IComparer<Address> AddressOrdering = Comparer<Address>.Create(CompareAddresses);

    /// <summary>Sorts the oldest first.</summary>
    public static readonly IComparer<Member> AgeOrdering = Comparer<Member>.Create(
        (a, b) => a.Equals(b) ? 0 : a.IsOlderThan(b) ? -1 : 1);

    /// <summary>Sorts those that may lead before those that may not, then by address.</summary>
    internal static readonly IComparer<Member> LeaderStatusOrdering = Comparer<Member>.Create((a, b) =>
    {
        var order = LeaderRank(a.Status).CompareTo(LeaderRank(b.Status));
        return order != 0 ? order : a.CompareTo(b);
    });

    internal static readonly ImmutableDictionary<MemberStatus, ImmutableHashSet<MemberStatus>> AllowedTransitions =
        new Dictionary<MemberStatus, ImmutableHashSet<MemberStatus>>
        {
            [MemberStatus.Joining] =
                [MemberStatus.WeaklyUp, MemberStatus.Up, MemberStatus.Leaving, MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.WeaklyUp] = [MemberStatus.Up, MemberStatus.Leaving, MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.Up] = [MemberStatus.Leaving, MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.Leaving] = [MemberStatus.Exiting, MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.Down] = [MemberStatus.Removed],
            [MemberStatus.Exiting] = [MemberStatus.Down, MemberStatus.Removed],
            [MemberStatus.Removed] = [],
        }.ToImmutableDictionary();

    private Member(UniqueAddress node, int upNumber, MemberStatus status, ImmutableHashSet<string> roles, AppVersion version)
    {
        UniqueAddress = node;
        UpNumber = upNumber;
        Status = status;
        Roles = roles;
        AppVersion = version;
    }

    public UniqueAddress UniqueAddress { get; }

    public Address Address => UniqueAddress.Address;

    public MemberStatus Status { get; }

    public ImmutableHashSet<string> Roles { get; }

    public AppVersion AppVersion { get; }

    /// <summary>The order in which members came up; <see cref="int.MaxValue"/> before that.</summary>
    internal int UpNumber { get; }

    public bool HasRole(string role) => Roles.Contains(role);

    /// <summary>Whether this member came up before <paramref name="other"/>; a tie goes by address.</summary>
    public bool IsOlderThan(Member other) => UpNumber == other.UpNumber
        ? AddressOrdering.Compare(Address, other.Address) < 0
        : UpNumber < other.UpNumber;

    /// <exception cref="InvalidOperationException">The move is not allowed.</exception>
    public Member Copy(MemberStatus status)
    {
        if (status == Status)
        {
            return this;
        }

        if (!AllowedTransitions[Status].Contains(status))
        {
            throw new InvalidOperationException($"Invalid member status transition {Status} -> {status}");
        }

        return new Member(UniqueAddress, UpNumber, status, Roles, AppVersion);
    }

    public Member CopyUp(int upNumber) =>
        new Member(UniqueAddress, upNumber, Status, Roles, AppVersion).Copy(MemberStatus.Up);

    public int CompareTo(Member other) => other is null ? 1 : UniqueAddress.CompareTo(other.UniqueAddress);

    int IComparable.CompareTo(object obj) => CompareTo(obj as Member);

    public override bool Equals(object obj) => obj is Member other && UniqueAddress.Equals(other.UniqueAddress);

    public override int GetHashCode() => UniqueAddress.GetHashCode();

    public override string ToString() =>
        $"Member(address = {Address}, Uid={UniqueAddress.Uid}, status = {Status}, role=[{string.Join(",", Roles)}], "
        + $"upNumber={UpNumber}, version={AppVersion})";

    /// <summary>Of each member of both sides the one with the status that wins; a member that is on one side only and
    /// already on its way out there (Down, Exiting) stays out.</summary>
    public static ImmutableHashSet<Member> PickHighestPriority(IEnumerable<Member> a, IEnumerable<Member> b)
    {
        var result = ImmutableHashSet.CreateBuilder<Member>();
        foreach (var group in a.Concat(b).GroupBy(member => member.UniqueAddress))
        {
            var members = group.ToList();
            if (members.Count == 2)
            {
                result.Add(HighestPriorityOf(members[0], members[1]));
            }
            else if (members[0].Status is not (MemberStatus.Down or MemberStatus.Exiting or MemberStatus.Removed))
            {
                result.Add(members[0]);
            }
        }

        return result.ToImmutable();
    }

    /// <summary>The one that is further along: Removed, Down, Exiting, Leaving, Up, WeaklyUp, Joining. Of two with the
    /// same status, the older.</summary>
    public static Member HighestPriorityOf(Member m1, Member m2)
    {
        if (m1.Status == m2.Status)
        {
            return m1.IsOlderThan(m2) ? m1 : m2;
        }

        return Priority(m1.Status) <= Priority(m2.Status) ? m1 : m2;
    }

    /// <summary>Of each member the status that the allowed moves put later.</summary>
    public static ImmutableSortedSet<Member> PickNextTransition(IEnumerable<Member> a, IEnumerable<Member> b) =>
        [.. a.Concat(b).GroupBy(member => member.UniqueAddress).Select(group => group.Aggregate(PickNextTransition))];

    public static Member PickNextTransition(Member a, Member b) =>
        a.Status != b.Status && AllowedTransitions[a.Status].Contains(b.Status) ? b : a;

    internal static Member Create(UniqueAddress node, ImmutableHashSet<string> roles, AppVersion version) =>
        new(node, int.MaxValue, MemberStatus.Joining, roles, version);

    internal static Member Create(
        UniqueAddress node, int upNumber, MemberStatus status, ImmutableHashSet<string> roles, AppVersion version) =>
        new(node, upNumber, status, roles, version);

    internal static Member Removed(UniqueAddress node) =>
        new(node, int.MaxValue, MemberStatus.Removed, [], AppVersion.Zero);

    private static int Priority(MemberStatus status) => status switch
    {
        MemberStatus.Removed => 0,
        MemberStatus.Down => 1,
        MemberStatus.Exiting => 2,
        MemberStatus.Leaving => 3,
        MemberStatus.Up => 4,
        MemberStatus.WeaklyUp => 5,
        MemberStatus.Joining => 6,
        _ => throw new System.Diagnostics.UnreachableException($"Unknown status {status}"),
    };

    private static int LeaderRank(MemberStatus status) => status switch
    {
        MemberStatus.Down => 4,
        MemberStatus.Exiting => 3,
        MemberStatus.Joining => 2,
        MemberStatus.WeaklyUp => 1,
        MemberStatus.Up or MemberStatus.Leaving or MemberStatus.Removed => 0,
        _ => throw new System.Diagnostics.UnreachableException($"Unknown status {status}"),
    };

    private static int CompareAddresses(Address a, Address b)
    {
        if (a is null || b is null)
        {
            return (a is null ? 0 : 1) - (b is null ? 0 : 1);
        }

        var order = string.CompareOrdinal(a.Host ?? "", b.Host ?? "");
        return order != 0 ? order : (a.Port ?? 0).CompareTo(b.Port ?? 0);
    }
}
