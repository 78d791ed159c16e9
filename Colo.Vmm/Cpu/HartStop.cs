namespace Colo.Vmm.Cpu;

/// <summary>Why <see cref="Hart.Run"/> returned. The hart stands at an instruction boundary in every case.</summary>
public enum HartStop
{
    /// <summary>Exactly the instruction budget has been retired.</summary>
    Budget = 1,

    /// <summary>Someone called <see cref="Hart.RequestStop"/>.</summary>
    Interrupted = 2,

    /// <summary>
    /// The guest executed WFI and no enabled interrupt is pending. The pc stands behind the WFI; the owner waits for
    /// <see cref="Hart.HasPendingInterrupt"/> or the timer and runs on.
    /// </summary>
    WaitForInterrupt = 3,

    /// <summary>A device or the firmware called <see cref="Hart.Halt"/>; Run returns this until
    /// <see cref="Hart.Reset"/> or Restore.</summary>
    Halted = 4,
}
