namespace Colo.Vmm.Tests.Devices;

/// <summary>One descriptor's buffer as the driver names it; may be nonsense on purpose.</summary>
internal readonly record struct RingSegment(ulong Address, uint Length, bool Writable)
{
    public static RingSegment In(ulong address, int length) => new(address, (uint)length, true);

    public static RingSegment Out(ulong address, int length) => new(address, (uint)length, false);
}
