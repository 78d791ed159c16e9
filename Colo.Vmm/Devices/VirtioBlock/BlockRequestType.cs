namespace Colo.Vmm.Devices.VirtioBlock;

/// <summary>Request types of virtio 1.2, section 5.2.6.</summary>
internal enum BlockRequestType : uint
{
    Read = 0,
    Write = 1,
    Flush = 4,
    GetId = 8,
    Discard = 11,
    WriteZeroes = 13,
}
