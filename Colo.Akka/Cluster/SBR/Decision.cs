namespace Akka.Cluster.SBR;

/// <summary>Whom the responsible node of a partition marks as down.</summary>
internal enum Decision
{
    /// <summary>Nothing: everybody is reachable.</summary>
    None,

    /// <summary>The other side; this side goes on.</summary>
    DownUnreachable,

    /// <summary>This side; the other goes on.</summary>
    DownReachable,

    /// <summary>Everybody, because no side can be sure.</summary>
    DownAll,

    /// <summary>Members that some see and some do not, and whatever the strategy says of the rest.</summary>
    DownIndirectlyConnected,

    /// <summary>As <see cref="DownUnreachable"/>, but only with the lease in hand; without it this side goes
    /// down.</summary>
    AcquireLeaseAndDownUnreachable,

    /// <summary>As <see cref="DownIndirectlyConnected"/>, but only with the lease in hand.</summary>
    AcquireLeaseAndDownIndirectlyConnected,
}
