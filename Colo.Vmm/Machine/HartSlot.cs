using Colo.Vmm.Cpu;
using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>
/// A hart with what the board knows about it: whether it has been started, and whether it waits in WFI. Belongs to the
/// thread that runs the hart, except that another hart may start it when it is stopped.
/// </summary>
internal sealed class HartSlot : IHartInterrupts
{
    private int _status;

    public Hart Hart { get; set; } = null!;

    /// <summary>Who runs the hart; null in a board without threads.</summary>
    public HartRunner? Runner { get; set; }

    public HartStatus Status
    {
        get => (HartStatus)Volatile.Read(ref _status);
        set => Volatile.Write(ref _status, (int)value);
    }

    /// <summary>The hart executed WFI; it runs on when an interrupt is pending or its timer is due.</summary>
    public bool Waiting { get; set; }

    /// <summary>Deadline set by the SBI's set_timer when the hart has no stimecmp.</summary>
    public ulong SbiTimer { get; set; } = ulong.MaxValue;

    /// <summary>Time spent executing, in ticks of the stopwatch. Written by the hart's thread, read by
    /// anyone.</summary>
    public long RunningTicks { get; set; }

    public ulong NextDeadline => Math.Min(Hart.NextTimerDeadline, SbiTimer);

    /// <summary>When a hart that waits is due; never for one that is stopped.</summary>
    public ulong WakeDeadline => Status is HartStatus.Started or HartStatus.Suspended ? NextDeadline : ulong.MaxValue;

    /// <inheritdoc/>
    public void SetInterrupt(int mipBit, bool level)
    {
        if (Hart is { } hart)
        {
            hart.SetInterrupt(mipBit, level);
            if (level)
            {
                Runner?.WakeIfSleeping();
            }
        }
    }

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
            // At once: a deadline that is over must not bound the next run, whoever stops that before it begins.
            Hart.UpdateTimer();
            Wake();
        }
        else if (Waiting && Hart.HasPendingInterrupt)
        {
            Wake();
        }

        return !Waiting;
    }

    /// <summary>Notes why the hart has stopped.</summary>
    public void FinishRun(HartStop stop)
    {
        Waiting |= stop == HartStop.WaitForInterrupt;
        if (Status == HartStatus.StopPending)
        {
            // Only now may another hart start it again.
            Status = HartStatus.Stopped;
        }
    }

    private void Wake()
    {
        Waiting = false;
        Status = HartStatus.Started;
    }
}
