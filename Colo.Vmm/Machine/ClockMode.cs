namespace Colo.Vmm.Machine;

/// <summary>What drives the guest's time.</summary>
public enum ClockMode
{
    /// <summary>The injected <see cref="TimeProvider"/>; stands still while the machine is paused.</summary>
    RealTime = 1,

    /// <summary>The number of instructions retired: the same inputs give the same trace. Idle time is
    /// skipped.</summary>
    InstructionCount = 2,
}
