namespace Colo.Vmm.Net;

/// <summary>Numbers of the IANA "protocol numbers" and "ether types" registries that the packet mechanisms
/// know.</summary>
internal static class IpProtocols
{
    public const int HopByHop = 0;
    public const int Icmp = 1;
    public const int Igmp = 2;
    public const int Tcp = 6;
    public const int Udp = 17;
    public const int Routing = 43;
    public const int Fragment = 44;
    public const int Authentication = 51;
    public const int IcmpV6 = 58;
    public const int DestinationOptions = 60;
    public const int Mobility = 135;
    public const int HostIdentity = 139;
    public const int Shim6 = 140;

    public const int EtherTypeIPv4 = 0x0800;
    public const int EtherTypeArp = 0x0806;
    public const int EtherTypeRarp = 0x8035;
    public const int EtherTypeVlan = 0x8100;
    public const int EtherTypeProviderVlan = 0x88A8;
    public const int EtherTypeIPv6 = 0x86DD;
}
