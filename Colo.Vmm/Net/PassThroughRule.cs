using System.Net;

namespace Colo.Vmm.Net;

/// <summary>
/// Names flows by an n-tuple from the guest's point of view; what is null matches everything. Frames of such flows
/// are released without comparing, so after a takeover the remote end may see a different answer: for traffic that
/// is never equal and does not matter.
/// </summary>
public sealed record PassThroughRule
{
    /// <summary>IP protocol number.</summary>
    public int? Protocol { get; init; }

    public int? GuestPort { get; init; }

    public int? RemotePort { get; init; }

    public IPNetwork? Guest { get; init; }

    public IPNetwork? Remote { get; init; }

    internal bool Matches(in ConnectionKey key) => key.Class is FlowClass.Tcp or FlowClass.Datagram
        && (Protocol is not { } protocol || protocol == key.Protocol)
        && (GuestPort is not { } guestPort || guestPort == key.SourcePort)
        && (RemotePort is not { } remotePort || remotePort == key.DestinationPort)
        && (Guest is not { } guest || guest.Contains(key.SourceAddress()))
        && (Remote is not { } remote || remote.Contains(key.DestinationAddress()));
}
