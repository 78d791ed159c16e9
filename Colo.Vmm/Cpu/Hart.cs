using Colo.Vmm.Cpu.Compiled;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Cpu.Interpret;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu;

/// <summary>
/// One RV64GC hart with M, S and U modes. This class is the outside: registers, interrupts, state. Instructions are
/// executed by <see cref="Executor"/>. Not safe for use by several threads, except for the members that say so.
/// </summary>
public sealed unsafe class Hart : IDisposable, IRamClient
{
    private readonly GuestRam _ram;
    private readonly Mmu _mmu;
    private readonly CsrFile _csrs;
    private readonly CodeCache _code;
    private readonly Executor _executor;
    private readonly CompiledTier? _tier;
    private readonly RegionLibrary? _ownLibrary;
    private readonly HartOptions _options;
    private readonly HartContext* _context;
    private bool _disposed;

    public Hart(int hartId, GuestRam ram, ISystemBus bus, IGuestClock clock, HartOptions options)
        : this(hartId, ram, bus, clock, options, null)
    {
    }

    /// <param name="library">Compiler shared by the harts of a machine; null: the hart has one of its own.</param>
    internal Hart(int hartId, GuestRam ram, ISystemBus bus, IGuestClock clock, HartOptions options, RegionLibrary? library)
    {
        ArgumentNullException.ThrowIfNull(ram);
        ArgumentNullException.ThrowIfNull(bus);
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(options);
        HartId = hartId;
        _ram = ram;
        _options = options;
        _mmu = new Mmu(ram, bus);
        _context = _mmu.Context;
        _csrs = new CsrFile(_context, _mmu, clock, options, hartId);
        _code = new CodeCache(ram, _mmu, this, options.DecodedBytesMax);
        _csrs.TranslationChanged = _code.FlushJumps;
        _csrs.AddressSpaceChanged = _code.AddressSpaceChanged;
        _mmu.StoreToCodePage = _code.PrepareStore;
        TrapUnit traps = new(_context, _mmu, _csrs);
        SystemInstructions system = new(_context, _mmu, _csrs, traps, _code, CallFirmware);
        _executor = new Executor(_context, _mmu, _csrs, traps, _code, new SlowPath(_context, ram, _mmu, traps, system));
        if (options.Tier != CodeTierMode.Interpreter)
        {
            _ownLibrary = library is null ? new RegionLibrary(ram) : null;
            _tier = new CompiledTier(ram, _code, _context, options, library ?? _ownLibrary!);
            _executor.Tier = _tier;
        }

        ram.AddClient(this);
        Reset(ram.BaseAddress, PrivilegeMode.Machine);
    }

    public int HartId { get; }

    /// <summary>Built-in firmware, or null when M-mode software runs.</summary>
    public ISbiHandler? Sbi { get; set; }

    public ulong InstructionsRetired => _context->InstructionsRetired;

    /// <summary>How often decoded code was given up to make room for other.</summary>
    internal int DecodedCodeEvictions => _code.Evictions;

    /// <summary>What the compiling tier has done; null when there is none. Any thread.</summary>
    internal RegionCounters? TierCounters => _tier?.Counters;

    /// <summary>The deadline of stimecmp in mtime ticks, or <see cref="ulong.MaxValue"/> when Sstc is off or it has
    /// fired.</summary>
    public ulong NextTimerDeadline =>
        _csrs.SstcEnabled && (_csrs.Mip & CsrFile.InterruptStip) == 0 ? _context->Cold.Stimecmp : ulong.MaxValue;

    /// <summary>True when an interrupt is pending and enabled in mie: WFI would not wait. Any thread.</summary>
    public bool HasPendingInterrupt => (_csrs.Mip & Volatile.Read(ref _context->Cold.Mie)) != 0;

    /// <summary>Whether <see cref="Run"/> returns behind a write of stimecmp. By instruction count the next run ends
    /// at the new deadline.</summary>
    internal bool StopsAtTimerChange
    {
        set => _csrs.StopsAtTimerChange = value;
    }

    public ulong Pc
    {
        get => _context->Pc;
        set => _context->Pc = value & ~1UL;
    }

    public PrivilegeMode PrivilegeMode
    {
        get => _context->Privilege;
        set
        {
            _context->Privilege = value;
            _mmu.UpdateMode();
            _csrs.Attend();
        }
    }

    /// <summary>Retires at most the given number of instructions. Traps and interrupts are taken inside.</summary>
    public HartStop Run(long instructionBudget) =>
        _context->Cold.Halted != 0 ? HartStop.Halted : _executor.Run(instructionBudget);

    /// <summary>Sets or clears a bit of mip: SSIP 1, MSIP 3, STIP 5, MTIP 7, SEIP 9, MEIP 11. Any thread.</summary>
    /// <remarks>With Sstc enabled STIP belongs to stimecmp, and bit 5 means <see cref="PollTimer"/>.</remarks>
    public void SetInterrupt(int mipBit, bool level)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)mipBit, 15u, nameof(mipBit));
        if (mipBit == 5 && _csrs.SstcEnabled)
        {
            PollTimer();
            return;
        }

        ulong bit = mipBit == 9 ? CsrFile.ExternalSeip : 1UL << mipBit;
        if (level)
        {
            Interlocked.Or(ref _context->Cold.Mip, bit);
        }
        else
        {
            Interlocked.And(ref _context->Cold.Mip, ~bit);
        }

        _csrs.Attend();
    }

    /// <summary>Makes <see cref="Run"/> compare stimecmp with the clock at the next block boundary. Any
    /// thread.</summary>
    public void PollTimer() => Interlocked.Or(ref _context->Pending, HartContext.PendingTimer);

    /// <summary>Compares stimecmp with the clock. On the hart's thread, between two runs.</summary>
    internal void UpdateTimer() => _csrs.UpdateTimer();

    /// <summary>Makes <see cref="Run"/>, now or when next called, return at an instruction boundary. Any
    /// thread.</summary>
    public void RequestStop() => Interlocked.Or(ref _context->Pending, HartContext.PendingStop);

    /// <summary>Stops the hart until Reset or Restore. On the hart's thread (a device or the firmware).</summary>
    public void Halt()
    {
        _context->Cold.Halted = 1;
        RequestStop();
    }

    public ulong GetX(int index) => _context->X[Checked(index)];

    /// <summary>Sets an integer register; x0 stays zero.</summary>
    public void SetX(int index, ulong value)
    {
        if (Checked(index) != 0)
        {
            _context->X[index] = value;
        }
    }

    public ulong GetF(int index) => _context->F[Checked(index)];

    public void SetF(int index, ulong value) => _context->F[Checked(index)] = value;

    /// <summary>Reads a CSR as M-mode software would; 0 for one that does not exist.</summary>
    public ulong ReadCsr(int number) => _csrs.TryRead(number, out ulong value) ? value : 0;

    /// <summary>Writes a CSR as M-mode software would; ignored when there is none.</summary>
    public void WriteCsr(int number, ulong value) => _ = _csrs.TryWrite(number, value);

    /// <summary>
    /// Power-on state at the given pc and mode. Mode Supervisor is for built-in firmware: all traps of S and U mode and
    /// the S interrupts are delegated, the counters are open and Sstc is on, as firmware would have left them.
    /// InstructionsRetired goes on counting.
    /// </summary>
    public void Reset(ulong pc, PrivilegeMode mode)
    {
        ulong retired = _context->InstructionsRetired;
        HartState state = new() { Pc = pc, Privilege = (uint)mode, InstructionsRetired = retired };
        state.ReservationAddress = ulong.MaxValue;
        state.Stimecmp = ulong.MaxValue;
        state.CycleOffset = 0 - retired;
        state.InstretOffset = 0 - retired;
        if (mode == PrivilegeMode.Supervisor)
        {
            state.Medeleg = 0xb1ff;
            state.Mideleg = 0x222;
            state.Mcounteren = 7;
            state.Scounteren = 7;
            state.Menvcfg = _options.Sstc ? CsrFile.StceBit : 0;
        }

        Restore(state);
    }

    public HartState Save()
    {
        HartState state = _context->Cold;
        for (int i = 0; i < 32; i++)
        {
            state.X[i] = _context->X[i];
            state.F[i] = _context->F[i];
        }

        state.Pc = _context->Pc;
        state.InstructionsRetired = _context->InstructionsRetired;
        state.Fflags = _context->Fflags;
        state.Frm = _context->Frm;
        state.Mstatus |= (ulong)_context->Fs << Mstatus.FsShift;
        state.Privilege = (uint)_context->Privilege;
        return state;
    }

    /// <summary>
    /// Takes over a saved state. Values that hardware could not hold are brought into range, so that a damaged or
    /// hostile state cannot do more than confuse the guest. The owner drops or keeps decoded code through the RAM.
    /// </summary>
    public void Restore(in HartState state)
    {
        HartState cold = state;
        for (int i = 0; i < 32; i++)
        {
            _context->X[i] = cold.X[i];
            _context->F[i] = cold.F[i];
        }

        _context->X[0] = 0;
        _context->Pc = cold.Pc & ~1UL;
        _context->Fflags = cold.Fflags & 31;
        _context->Frm = cold.Frm & 7;
        _context->Fs = (uint)(cold.Mstatus >> Mstatus.FsShift) & 3;
        _context->Privilege = (PrivilegeMode)((cold.Privilege & 3) == 2 ? 0 : cold.Privilege & 3);
        _context->Remaining = 0;
        _context->RetiredLimit = cold.InstructionsRetired;
        cold.Mstatus &= Mstatus.MachineWritable;
        if ((cold.Mstatus & Mstatus.Mpp) == 2UL << Mstatus.MppShift)
        {
            cold.Mstatus &= ~Mstatus.Mpp;
        }

        if (cold.Satp >> 60 is not (0 or 8 or 9))
        {
            cold.Satp = 0;
        }

        _context->Cold = cold;
        _mmu.Pmp.Refresh();
        FlushTlb();
        _mmu.UpdateMode();
        Interlocked.And(ref _context->Pending, ~HartContext.PendingStop);
        _csrs.Attend();
    }

    /// <summary>Forgets all translations, for example after page tables were loaded from outside.</summary>
    public void FlushTlb()
    {
        _mmu.FlushAll();
        _code.FlushJumps();
    }

    /// <summary>
    /// Asks the hart to forget things before it executes another instruction. Any thread; the answer is awaited with
    /// the number returned.
    /// </summary>
    internal int RequestFence(HartFence kinds)
    {
        Interlocked.Or(ref _context->FenceKinds, (int)kinds);
        int number = Interlocked.Increment(ref _context->FencesAsked);
        Interlocked.Or(ref _context->Pending, HartContext.PendingFence);
        return number;
    }

    /// <summary>Waits for a fence asked of this hart. <paramref name="waiting"/> is the hart whose thread this is: it
    /// answers meanwhile.</summary>
    internal void AwaitFence(int number, Hart waiting)
    {
        var spin = default(SpinWait);
        while (Volatile.Read(ref _context->Running) != 0 && Volatile.Read(ref _context->FencesDone) - number < 0)
        {
            waiting.ServeFences();
            spin.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>Does what other harts have asked for. On the hart's thread.</summary>
    internal void ServeFences() => _executor.ServeFences();

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _ram.RemoveClient(this);
            _tier?.Dispose();
            _ownLibrary?.Dispose();
            _code.Dispose();
        }
    }

    void IRamClient.FlushWriteTlb() => _mmu.FlushWrites();

    void IRamClient.RevokeWrite(int pageIndex, IRamClient by)
    {
        if (ReferenceEquals(by, this))
        {
            _mmu.FlushWritesTo(_ram.HostPage(pageIndex));
        }
        else if (_mmu.HoldsWriteTo(_ram.HostPage(pageIndex)))
        {
            // A store that has found its permission may still be under way on the other thread.
            AwaitFence(RequestFence(HartFence.Writes), (Hart)by);
        }
    }

    void IRamClient.ServeOthers() => ServeFences();

    void IRamClient.CodePageWritten(int pageIndex)
    {
        _code.NoteWritten(pageIndex);
        Interlocked.Or(ref _context->Pending, HartContext.PendingCode);
    }

    private static int Checked(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)index, 31u, nameof(index));
        return index;
    }

    private bool CallFirmware()
    {
        if (Sbi is null)
        {
            return false;
        }

        Sbi.HandleCall(this);
        return true;
    }
}
