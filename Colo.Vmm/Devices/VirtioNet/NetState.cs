namespace Colo.Vmm.Devices.VirtioNet;

/// <summary>The card's address and link, and the frames that wait for the guest as <see cref="FrameQueue.Save"/> gives
/// them. They belong to the image: what a primary has received before a capture its secondary gets with it, and only
/// with it.</summary>
internal sealed record NetState(byte[] MacAddress, ushort LinkStatus, byte[] Waiting) : DeviceState;
