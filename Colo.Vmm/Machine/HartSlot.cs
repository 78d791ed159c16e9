using Colo.Vmm.Cpu;
using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>A hart with what the board knows about it: whether it has been started, and whether it waits in WFI.</summary>
internal sealed class HartSlot : IHartInterrupts
{
    public Hart Hart { get; set; } = null!;

    public HartStatus Status { get; set; }

    /// <summary>The hart executed WFI; it runs on when an interrupt is pending or its timer is due.</summary>
    public bool Waiting { get; set; }

    /// <summary>Deadline set by the SBI's set_timer when the hart has no stimecmp.</summary>
    public ulong SbiTimer { get; set; } = ulong.MaxValue;

    public ulong NextDeadline => Math.Min(Hart.NextTimerDeadline, SbiTimer);

    public void SetInterrupt(int mipBit, bool level) => Hart?.SetInterrupt(mipBit, level);

    /// <summary>Whether <see cref="Cpu.Hart.Run"/> has something to do at this moment of guest time.</summary>
    public bool IsRunnable(ulong now)
    {
        if (Status is not (HartStatus.Started or HartStatus.Suspended))
        {
            return false;
        }

        if (now >= SbiTimer)
        {
            const int SupervisorTimer = 5;
            SbiTimer = ulong.MaxValue;
            Hart.SetInterrupt(SupervisorTimer, true);
        }

        if (now >= Hart.NextTimerDeadline)
        {
            Hart.PollTimer();
            Wake();
        }
        else if (Waiting && Hart.HasPendingInterrupt)
        {
            Wake();
        }

        return !Waiting;
    }

    private void Wake()
    {
        Waiting = false;
        Status = HartStatus.Started;
    }
}
