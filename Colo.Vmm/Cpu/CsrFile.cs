namespace Colo.Vmm.Cpu;

/// <summary>
/// The control and status registers: which exist, who may touch them, which bits a write changes (privileged
/// specification, chapters 2, 3 and 12). A refused access returns false and becomes an illegal instruction.
/// </summary>
internal sealed unsafe class CsrFile(HartContext* context, Mmu mmu, IGuestClock clock, HartOptions options, int hartId)
{
    /// <summary>RV64 with A, C, D, F, I, M, S and U.</summary>
    private const ulong MisaValue = 2UL << 62 | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 20;

    public const ulong StceBit = 1UL << 63;
    public const ulong InterruptStip = 1UL << 5;
    public const ulong ExternalSeip = 1UL << 41;
    private const ulong DelegableInterrupts = 0x222;
    private const ulong DelegableExceptions = 0xb3ff;
    private const ulong EnableableInterrupts = 0xaaa;

    /// <summary>Called when virtual addresses may mean something else from now on.</summary>
    public Action? TranslationChanged { get; set; }

    /// <summary>Called when satp names another address space: forgets what is not global.</summary>
    public Action? AddressSpaceChanged { get; set; }

    public bool SstcEnabled => (context->Cold.Menvcfg & StceBit) != 0;

    /// <summary>mip as software sees it.</summary>
    public ulong Mip
    {
        get
        {
            ulong mip = Volatile.Read(ref context->Cold.Mip);
            return mip & 0xffff | ((mip & ExternalSeip) != 0 ? 1UL << 9 : 0);
        }
    }

    public ulong Status
    {
        get
        {
            ulong value = context->Cold.Mstatus | Mstatus.Uxl64 | Mstatus.Sxl64 | (ulong)context->Fs << Mstatus.FsShift;
            return context->Fs == 3 ? value | Mstatus.Sd : value;
        }
    }

    /// <summary>Whether the present mode may read (and write) the register; existence is checked by the
    /// access.</summary>
    public bool Permitted(int number, bool write)
    {
        PrivilegeMode mode = context->Privilege;
        if ((number >> 8 & 3) > (int)mode || (write && number >> 10 == 3))
        {
            return false;
        }

        return number switch
        {
            Csr.Fflags or Csr.Frm or Csr.Fcsr => context->Fs != 0,
            Csr.Satp => mode == PrivilegeMode.Machine || (context->Cold.Mstatus & Mstatus.Tvm) == 0,
            Csr.Stimecmp => mode == PrivilegeMode.Machine || (SstcEnabled && (context->Cold.Mcounteren & 2) != 0),
            >= Csr.Cycle and <= Csr.HpmCounterLast => CounterPermitted(number - Csr.Cycle, mode),
            _ => true,
        };
    }

    public bool TryRead(int number, out ulong value)
    {
        ref HartState cold = ref context->Cold;
        bool exists = true;
        switch (number)
        {
            case Csr.Fflags: value = context->Fflags; break;
            case Csr.Frm: value = context->Frm; break;
            case Csr.Fcsr: value = context->Fflags | context->Frm << 5; break;
            case Csr.Sstatus: value = Status & Mstatus.SupervisorVisible; break;
            case Csr.Sie: value = cold.Mie & cold.Mideleg; break;
            case Csr.Stvec: value = cold.Stvec; break;
            case Csr.Scounteren: value = cold.Scounteren; break;
            case Csr.Senvcfg: value = cold.Senvcfg; break;
            case Csr.Sscratch: value = cold.Sscratch; break;
            case Csr.Sepc: value = cold.Sepc; break;
            case Csr.Scause: value = cold.Scause; break;
            case Csr.Stval: value = cold.Stval; break;
            case Csr.Sip: value = Mip & cold.Mideleg; break;
            case Csr.Stimecmp: value = cold.Stimecmp; exists = options.Sstc; break;
            case Csr.Satp: value = cold.Satp; break;
            case Csr.Cycle: value = Counter(cold.CycleOffset, 1); break;
            case Csr.Instret: value = Counter(cold.InstretOffset, 4); break;
            case Csr.Time: value = clock.ReadTime(); break;
            case >= Csr.HpmCounterFirst and <= Csr.HpmCounterLast: value = 0; break;
            default: exists = TryReadMachine(number, out value); break;
        }

        return exists;
    }

    public bool TryWrite(int number, ulong value)
    {
        ref HartState cold = ref context->Cold;
        switch (number)
        {
            case Csr.Fflags: context->Fflags = (uint)value & 31; context->Fs = 3; break;
            case Csr.Frm: context->Frm = (uint)value & 7; context->Fs = 3; break;
            case Csr.Fcsr:
                context->Fflags = (uint)value & 31;
                context->Frm = (uint)value >> 5 & 7;
                context->Fs = 3;
                break;
            case Csr.Sstatus: WriteStatus(value, Mstatus.SupervisorWritable); break;
            case Csr.Sie: WriteEnable(cold.Mie & ~cold.Mideleg | value & cold.Mideleg); break;
            case Csr.Stvec: cold.Stvec = VectorBase(value, cold.Stvec); break;
            case Csr.Scounteren: cold.Scounteren = (uint)value; break;
            case Csr.Senvcfg: cold.Senvcfg = value & 1; break;
            case Csr.Sscratch: cold.Sscratch = value; break;
            case Csr.Sepc: cold.Sepc = value & ~1UL; break;
            case Csr.Scause: cold.Scause = value; break;
            case Csr.Stval: cold.Stval = value; break;
            case Csr.Sip: WritePending(value, 2 & cold.Mideleg); break;
            case Csr.Stimecmp: return WriteStimecmp(value);
            case Csr.Satp: WriteSatp(value); break;
            default: return TryWriteMachine(number, value);
        }

        return true;
    }

    /// <summary>What csrrs and csrrc start from: mip without the external line, which software cannot set.</summary>
    public ulong ReadForModify(int number, ulong visible) =>
        number == Csr.Mip ? Volatile.Read(ref context->Cold.Mip) & 0xffff : visible;

    /// <summary>Whether the hart stops when its timer is set, so that its owner can end the next run at the
    /// deadline.</summary>
    public bool StopsAtTimerChange { get; set; }

    /// <summary>Brings mip.STIP to what stimecmp and the clock say.</summary>
    public void UpdateTimer()
    {
        if (SstcEnabled)
        {
            if (clock.ReadTime() >= context->Cold.Stimecmp)
            {
                Interlocked.Or(ref context->Cold.Mip, InterruptStip);
            }
            else
            {
                Interlocked.And(ref context->Cold.Mip, ~InterruptStip);
            }

            Attend();
        }
    }

    /// <summary>The next block boundary looks at the interrupts.</summary>
    public void Attend() => Interlocked.Or(ref context->Pending, HartContext.PendingInterrupt);

    private bool TryReadMachine(int number, out ulong value)
    {
        ref HartState cold = ref context->Cold;
        bool exists = true;
        switch (number)
        {
            case Csr.Mstatus: value = Status; break;
            case Csr.Misa: value = MisaValue; break;
            case Csr.Medeleg: value = cold.Medeleg; break;
            case Csr.Mideleg: value = cold.Mideleg; break;
            case Csr.Mie: value = cold.Mie; break;
            case Csr.Mtvec: value = cold.Mtvec; break;
            case Csr.Mcounteren: value = cold.Mcounteren; break;
            case Csr.Menvcfg: value = cold.Menvcfg; break;
            case Csr.Mcountinhibit: value = cold.Mcountinhibit; break;
            case Csr.Mscratch: value = cold.Mscratch; break;
            case Csr.Mepc: value = cold.Mepc; break;
            case Csr.Mcause: value = cold.Mcause; break;
            case Csr.Mtval: value = cold.Mtval; break;
            case Csr.Mip: value = Mip; break;
            case Csr.Mcycle: value = Counter(cold.CycleOffset, 1); break;
            case Csr.Minstret: value = Counter(cold.InstretOffset, 4); break;
            case Csr.Mhartid: value = (ulong)hartId; break;
            case Csr.PmpConfigFirst or Csr.PmpConfigFirst + 2 when options.PmpEntryCount > 0:
                value = mmu.Pmp.ReadConfig((number - Csr.PmpConfigFirst) * 4);
                break;
            case >= Csr.PmpAddressFirst and < Csr.PmpAddressFirst + Pmp.EntryCount when options.PmpEntryCount > 0:
                value = cold.PmpAddress[number - Csr.PmpAddressFirst];
                break;
            default: value = 0; exists = ReadsAsZero(number); break;
        }

        return exists;
    }

    private bool TryWriteMachine(int number, ulong value)
    {
        ref HartState cold = ref context->Cold;
        switch (number)
        {
            case Csr.Mstatus: WriteStatus(value, Mstatus.MachineWritable); break;
            case Csr.Medeleg: cold.Medeleg = value & DelegableExceptions; break;
            case Csr.Mideleg: cold.Mideleg = value & DelegableInterrupts; Attend(); break;
            case Csr.Mie: WriteEnable(value); break;
            case Csr.Mtvec: cold.Mtvec = VectorBase(value, cold.Mtvec); break;
            case Csr.Mcounteren: cold.Mcounteren = (uint)value; break;
            case Csr.Menvcfg: WriteMenvcfg(value); break;
            case Csr.Mcountinhibit: WriteInhibit((uint)value & 5); break;
            case Csr.Mscratch: cold.Mscratch = value; break;
            case Csr.Mepc: cold.Mepc = value & ~1UL; break;
            case Csr.Mcause: cold.Mcause = value; break;
            case Csr.Mtval: cold.Mtval = value; break;
            case Csr.Mip: WritePending(value, SstcEnabled ? 0x202u : 0x222u); break;
            case Csr.Mcycle: cold.CycleOffset = CounterOffset(value, 1); break;
            case Csr.Minstret: cold.InstretOffset = CounterOffset(value, 4); break;
            case Csr.PmpConfigFirst or Csr.PmpConfigFirst + 2 when options.PmpEntryCount > 0:
                mmu.Pmp.WriteConfig((number - Csr.PmpConfigFirst) * 4, value);
                ProtectionChanged();
                break;
            case >= Csr.PmpAddressFirst and < Csr.PmpAddressFirst + Pmp.EntryCount when options.PmpEntryCount > 0:
                mmu.Pmp.WriteAddress(number - Csr.PmpAddressFirst, value);
                ProtectionChanged();
                break;
            default: return number == Csr.Misa || ReadsAsZero(number);
        }

        return true;
    }

    /// <summary>Registers that exist, read as zero and ignore writes.</summary>
    private static bool ReadsAsZero(int number) => number is
        (>= Csr.MhpmCounterFirst and <= Csr.MhpmCounterLast)
        or (>= Csr.MhpmEventFirst and <= Csr.MhpmEventLast)
        or (>= Csr.Tselect and <= Csr.Tdata3)
        or Csr.Mvendorid or Csr.Marchid or Csr.Mimpid or Csr.Mconfigptr;

    private bool CounterPermitted(int index, PrivilegeMode mode)
    {
        uint bit = 1u << index;
        return mode == PrivilegeMode.Machine
            || ((context->Cold.Mcounteren & bit) != 0
                && (mode == PrivilegeMode.Supervisor || (context->Cold.Scounteren & bit) != 0));
    }

    private ulong Counter(ulong offset, uint inhibitBit) =>
        (context->Cold.Mcountinhibit & inhibitBit) != 0 ? offset : context->InstructionsRetired + offset;

    /// <summary>
    /// The written value is what the next instruction reads: the write takes effect after the writing instruction has
    /// been counted.
    /// </summary>
    private ulong CounterOffset(ulong value, uint inhibitBit) =>
        (context->Cold.Mcountinhibit & inhibitBit) != 0 ? value : value - (context->InstructionsRetired + 1);

    private void WriteInhibit(uint value)
    {
        ref HartState cold = ref context->Cold;
        ulong cycle = Counter(cold.CycleOffset, 1);
        ulong instret = Counter(cold.InstretOffset, 4);
        cold.Mcountinhibit = value;
        cold.CycleOffset = (value & 1) != 0 ? cycle + 1 : cycle - context->InstructionsRetired;
        cold.InstretOffset = (value & 4) != 0 ? instret + 1 : instret - context->InstructionsRetired;
    }

    private void WriteStatus(ulong value, ulong mask)
    {
        ref HartState cold = ref context->Cold;
        ulong old = cold.Mstatus;
        ulong now = old & ~mask | value & mask;
        if ((now & Mstatus.Mpp) == 2UL << Mstatus.MppShift)
        {
            now = now & ~Mstatus.Mpp | old & Mstatus.Mpp;
        }

        cold.Mstatus = now;
        context->Fs = (uint)(value >> Mstatus.FsShift) & 3;
        if (((old ^ now) & Mstatus.Mxr) != 0)
        {
            mmu.FlushTranslated();
        }

        mmu.UpdateMode();
        Attend();
    }

    private void WriteEnable(ulong value)
    {
        context->Cold.Mie = value & EnableableInterrupts;
        Attend();
    }

    private void WritePending(ulong value, ulong mask)
    {
        ref ulong mip = ref context->Cold.Mip;
        Interlocked.And(ref mip, ~mask | value);
        Interlocked.Or(ref mip, value & mask);
        Attend();
    }

    private void WriteMenvcfg(ulong value)
    {
        bool before = SstcEnabled;
        context->Cold.Menvcfg = value & (1 | (options.Sstc ? StceBit : 0));
        if (before != SstcEnabled)
        {
            Interlocked.And(ref context->Cold.Mip, ~InterruptStip);
            UpdateTimer();
        }
    }

    private bool WriteStimecmp(ulong value)
    {
        context->Cold.Stimecmp = value;
        if (StopsAtTimerChange)
        {
            Interlocked.Or(ref context->Pending, HartContext.PendingStop);
        }

        UpdateTimer();
        return options.Sstc;
    }

    /// <summary>All 16 ASID bits are there; a MODE that is not there leaves the register as it was.</summary>
    private void WriteSatp(ulong value)
    {
        if (value >> 60 is not (0 or 8 or 9))
        {
            return;
        }

        bool sameMode = (context->Cold.Satp ^ value) >> 60 == 0;
        context->Cold.Satp = value;
        if (sameMode)
        {
            AddressSpaceChanged?.Invoke();
        }
        else
        {
            mmu.FlushTranslated();
            TranslationChanged?.Invoke();
        }
    }

    private void ProtectionChanged()
    {
        mmu.FlushAll();
        TranslationChanged?.Invoke();
    }

    /// <summary>Direct or vectored; other modes leave the mode as it was.</summary>
    private static ulong VectorBase(ulong value, ulong old) => (value & 3) <= 1 ? value & ~2UL : value & ~3UL | old & 1;
}
