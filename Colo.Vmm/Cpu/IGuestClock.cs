namespace Colo.Vmm.Cpu;

/// <summary>The machine's mtime, shared by all harts: ticks of 10 MHz, never going back. Owned by the board.</summary>
public interface IGuestClock
{
    ulong ReadTime();
}
