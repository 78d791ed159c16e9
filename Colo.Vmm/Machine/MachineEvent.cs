namespace Colo.Vmm.Machine;

/// <summary>What has happened to a machine.</summary>
public abstract record MachineEvent
{
    private MachineEvent()
    {
    }

    /// <summary>All harts stand, disk requests are drained. Raised on the thread that paused.</summary>
    public sealed record Stopped : MachineEvent;

    /// <summary>Running again. Raised on the thread that resumed.</summary>
    public sealed record Resumed : MachineEvent;

    /// <summary>Back at the start of the firmware or kernel; <c>ByGuest</c>: the guest rebooted.</summary>
    public sealed record Reset(bool ByGuest) : MachineEvent;

    /// <summary>The machine has ended for good.</summary>
    public sealed record Shutdown(MachineExit Exit) : MachineEvent;

    /// <summary>An operator asked the guest to power down.</summary>
    public sealed record PowerdownRequested : MachineEvent;

    /// <summary>The machine's thread died of a broken invariant; this is a defect of the machine.</summary>
    public sealed record Panicked(Exception Cause) : MachineEvent;
}
