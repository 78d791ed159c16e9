namespace Akka.Cluster.SBR;

/// <summary>Decides from a view alone which side of a partition goes on.</summary>
internal abstract record DowningStrategy
{
    /// <summary>How long a side that is probably the smaller waits before it asks for the lease.</summary>
    internal virtual TimeSpan LeaseDelay(ClusterView view) => TimeSpan.Zero;

    internal Decision Decide(ClusterView view)
    {
        if (view.Unreachable.IsEmpty)
        {
            return Decision.None;
        }

        return view.IndirectlyConnected.IsEmpty ? DecideBetweenSides(view) : IndirectDecision;
    }

    protected virtual Decision IndirectDecision => Decision.DownIndirectlyConnected;

    protected abstract Decision DecideBetweenSides(ClusterView view);

    // More members win; of two halves the one with the lowest address.
    private protected static Decision MajorityOf(int thisSide, int otherSide, bool lowestIsHere) =>
        (thisSide > otherSide || (thisSide == otherSide && lowestIsHere)) ? Decision.DownUnreachable : Decision.DownReachable;
}

/// <summary><c>keep-majority</c>: the side with more members of the role goes on.</summary>
internal sealed record KeepMajority(string Role) : DowningStrategy
{
    protected override Decision DecideBetweenSides(ClusterView view) => Judge(view, Role);

    internal static Decision Judge(ClusterView view, string role)
    {
        var members = view.MembersOf(role);
        if (members.IsEmpty)
        {
            return Decision.DownAll;
        }

        var decision = MajorityOf(
            view.ReachableCount(role), view.UnreachableCount(role), !view.IsUnreachable(members[0]));
        if (decision != Decision.DownUnreachable)
        {
            return decision;
        }

        // The other side may know members come up, or gone, that this side does not: count as few as possible here and
        // as many as possible there, and if that turns the answer around nobody can be sure.
        var stable = view.MembersOf(role, withLeaving: false);
        var careful = stable.IsEmpty
            ? Decision.DownAll
            : MajorityOf(
                view.ReachableCount(role, withLeaving: false),
                view.UnreachableCount(role, withJoining: true),
                !view.IsUnreachable(stable[0]));
        return careful == Decision.DownUnreachable ? decision : Decision.DownAll;
    }
}

/// <summary><c>static-quorum</c>: the side that has a fixed number of members of the role goes on.</summary>
internal sealed record StaticQuorum(int QuorumSize, string Role) : DowningStrategy
{
    protected override Decision DecideBetweenSides(ClusterView view)
    {
        // With more members than that, both sides could reach the quorum.
        if (view.MembersOf(Role).Count > (2 * QuorumSize) - 1)
        {
            return Decision.DownAll;
        }

        return view.ReachableCount(Role) >= QuorumSize ? Decision.DownUnreachable : Decision.DownReachable;
    }
}

/// <summary><c>keep-oldest</c>: the side with the oldest member goes on; with <c>down-if-alone</c> not when it is alone
/// there.</summary>
internal sealed record KeepOldest(bool DownIfAlone, string Role) : DowningStrategy
{
    protected override Decision DecideBetweenSides(ClusterView view)
    {
        var oldest = view.MembersOf(Role).Order(Member.AgeOrdering).FirstOrDefault();
        if (oldest is null)
        {
            return Decision.DownAll;
        }

        var decision = Judge(!view.IsUnreachable(oldest), view.ReachableCount(Role), view.UnreachableCount(Role));
        if (decision != Decision.DownUnreachable)
        {
            return decision;
        }

        var careful = view.MembersOf(Role, withLeaving: false).Order(Member.AgeOrdering).FirstOrDefault();
        var again = careful is null
            ? Decision.DownAll
            : Judge(
                !view.IsUnreachable(careful),
                view.ReachableCount(Role, withLeaving: false),
                view.UnreachableCount(Role, withJoining: true));
        return again == Decision.DownUnreachable ? decision : Decision.DownAll;
    }

    private Decision Judge(bool oldestIsHere, int here, int there)
    {
        if (oldestIsHere)
        {
            return DownIfAlone && here == 1 && there >= 2 ? Decision.DownReachable : Decision.DownUnreachable;
        }

        return DownIfAlone && there == 1 && here >= 2 ? Decision.DownUnreachable : Decision.DownReachable;
    }
}

/// <summary><c>down-all</c>: nobody goes on.</summary>
internal sealed record DownAllNodes : DowningStrategy
{
    protected override Decision IndirectDecision => Decision.DownAll;

    protected override Decision DecideBetweenSides(ClusterView view) => Decision.DownAll;
}

/// <summary><c>lease-majority</c>: the side that takes the lease goes on; the smaller side asks later, so the larger
/// usually gets it.</summary>
internal sealed record LeaseMajority(string Role, TimeSpan AcquireLeaseDelayForMinority) : DowningStrategy
{
    protected override Decision IndirectDecision => Decision.AcquireLeaseAndDownIndirectlyConnected;

    internal override TimeSpan LeaseDelay(ClusterView view)
    {
        var members = view.MembersOf(Role);
        var minority = members.IsEmpty
            || MajorityOf(view.ReachableCount(Role), view.UnreachableCount(Role), !view.IsUnreachable(members[0]))
                == Decision.DownReachable;
        return minority ? AcquireLeaseDelayForMinority : TimeSpan.Zero;
    }

    protected override Decision DecideBetweenSides(ClusterView view) => Decision.AcquireLeaseAndDownUnreachable;
}
