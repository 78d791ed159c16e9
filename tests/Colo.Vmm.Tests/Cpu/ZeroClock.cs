using Colo.Vmm.Cpu;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>Time that the test sets.</summary>
internal sealed class ZeroClock : IGuestClock
{
    public ulong Time { get; set; }

    public ulong ReadTime() => Time;
}
