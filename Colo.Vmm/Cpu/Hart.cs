using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu;

/// <summary>
/// One RV64GC hart with M, S and U modes. Not safe for use by several threads, except for the members that say so.
/// </summary>
public sealed unsafe class Hart : IDisposable
{
    public Hart(int hartId, GuestRam ram, ISystemBus bus, IGuestClock clock, HartOptions options)
    {
        HartId = hartId;
        _ = (ram, bus, clock, options);
    }

    public int HartId { get; }

    /// <summary>Built-in firmware, or null when M-mode software runs.</summary>
    public ISbiHandler? Sbi { get; set; }

    public ulong InstructionsRetired => throw new NotImplementedException();

    /// <summary>The deadline of stimecmp in mtime ticks, or <see cref="ulong.MaxValue"/> when Sstc is off or it has fired.</summary>
    public ulong NextTimerDeadline => throw new NotImplementedException();

    /// <summary>True when an interrupt is pending and enabled in mie: WFI would not wait. Any thread.</summary>
    public bool HasPendingInterrupt => throw new NotImplementedException();

    public ulong Pc
    {
        get => throw new NotImplementedException();
        set => throw new NotImplementedException();
    }

    public PrivilegeMode PrivilegeMode
    {
        get => throw new NotImplementedException();
        set => throw new NotImplementedException();
    }

    /// <summary>Retires at most the given number of instructions. Traps and interrupts are taken inside.</summary>
    public HartStop Run(long instructionBudget) => throw new NotImplementedException();

    /// <summary>Sets or clears a bit of mip: SSIP 1, MSIP 3, STIP 5, MTIP 7, SEIP 9, MEIP 11. Any thread.</summary>
    public void SetInterrupt(int mipBit, bool level) => throw new NotImplementedException();

    /// <summary>Makes <see cref="Run"/> compare stimecmp with the clock at the next block boundary. Any thread.</summary>
    public void PollTimer() => throw new NotImplementedException();

    /// <summary>Makes <see cref="Run"/>, now or when next called, return at an instruction boundary. Any thread.</summary>
    public void RequestStop() => throw new NotImplementedException();

    /// <summary>Stops the hart until Reset or Restore. On the hart's thread (a device or the firmware).</summary>
    public void Halt() => throw new NotImplementedException();

    public ulong GetX(int index) => throw new NotImplementedException();

    public void SetX(int index, ulong value) => throw new NotImplementedException();

    public ulong GetF(int index) => throw new NotImplementedException();

    public void SetF(int index, ulong value) => throw new NotImplementedException();

    /// <summary>Reads a CSR as M-mode software would; 0 for one that does not exist.</summary>
    public ulong ReadCsr(int number) => throw new NotImplementedException();

    /// <summary>Writes a CSR as M-mode software would; ignored when there is none.</summary>
    public void WriteCsr(int number, ulong value) => throw new NotImplementedException();

    /// <summary>
    /// Power-on state at the given pc and mode. With built-in firmware, mode Supervisor also delegates all S-mode traps
    /// and interrupts, opens the counters and enables Sstc, as the firmware would have.
    /// </summary>
    public void Reset(ulong pc, PrivilegeMode mode) => throw new NotImplementedException();

    public HartState Save() => throw new NotImplementedException();

    public void Restore(in HartState state) => throw new NotImplementedException();

    /// <summary>Forgets all translations, for example after page tables were loaded from outside.</summary>
    public void FlushTlb() => throw new NotImplementedException();

    /// <summary>Remote fence.i: drops all decoded and compiled code. On the hart's thread or while paused.</summary>
    public void FlushCode() => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
