using Colo.Vmm.Devices;

namespace Colo.Vmm.Tests.Devices;

/// <summary>Guest time that stands where the test puts it.</summary>
internal sealed class ManualClock : ISettableClock
{
    public ulong Ticks { get; set; }

    public ulong WallNanoseconds { get; set; } = 1_800_000_000_000_000_000;

    public ulong ReadTime() => Ticks;

    public void SetTime(ulong ticks) => Ticks = ticks;

    public ulong ReadWallClockNanoseconds() => WallNanoseconds + (Ticks * 100);
}
