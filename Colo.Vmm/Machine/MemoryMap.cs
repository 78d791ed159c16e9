namespace Colo.Vmm.Machine;

/// <summary>Guest-physical addresses and interrupt numbers, those of QEMU's <c>virt</c> machine for RISC-V.</summary>
internal static class MemoryMap
{
    public const ulong Reset = 0x0010_0000;
    public const ulong Rtc = 0x0010_1000;
    public const ulong Aclint = 0x0200_0000;
    public const ulong Plic = 0x0c00_0000;
    public const ulong Uart = 0x1000_0000;
    public const ulong Virtio = 0x1000_1000;
    public const ulong VirtioStride = 0x1000;
    public const int VirtioSlotCount = 8;
    public const ulong Ram = 0x8000_0000;

    /// <summary>A kernel Image stands 2 MiB into RAM; firmware is below it.</summary>
    public const ulong KernelOffset = 0x20_0000;

    public const int VirtioInterruptBase = 1;
    public const int UartInterrupt = 10;
    public const int RtcInterrupt = 11;

    /// <summary>mtime in Hz.</summary>
    public const uint TimebaseFrequency = 10_000_000;
}
