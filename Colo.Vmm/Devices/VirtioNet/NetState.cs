namespace Colo.Vmm.Devices.VirtioNet;

/// <summary>The card's address and link. Frames that wait for the guest are the network's to repeat and are not
/// saved.</summary>
internal sealed record NetState(byte[] MacAddress, ushort LinkStatus) : DeviceState;
