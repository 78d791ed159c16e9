using Colo.Vmm.Cpu;

namespace Colo.Vmm.Devices;

/// <summary>Guest time in ticks of 100 ns that M-mode software may set (write to <c>mtime</c>).</summary>
internal interface ISettableClock : IGuestClock
{
    void SetTime(ulong ticks);

    /// <summary>Wall-clock time of the guest in nanoseconds since 1970; never goes back, not even after a move to
    /// another host.</summary>
    ulong ReadWallClockNanoseconds();
}
