namespace Colo.Vmm.Net;

/// <summary>What a frame was recognised as. A kind other than <see cref="Malformed"/> promises that its headers are
/// inside the frame.</summary>
public enum FrameKind
{
    /// <summary>Too short for its own headers, or its length fields point beyond the frame.</summary>
    Malformed = 1,

    /// <summary>Neither IP nor ARP.</summary>
    Other,
    Arp,
    Tcp,
    Udp,
    Icmp,
    IcmpV6,

    /// <summary>IP with another protocol, or a fragment that does not begin its datagram.</summary>
    OtherIp,
}
