using Colo.Vmm.Net;

namespace Colo.Vmm.Machine;

/// <summary>A virtio network card.</summary>
public sealed record NicOptions(INetworkBackend Backend, byte[] MacAddress)
{
    /// <summary>Largest packet above Ethernet, in bytes.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>Offers transmit checksum offload. Off by default: replication compares packets as the guest made
    /// them.</summary>
    public bool OfferChecksum { get; init; }
}
