using System.Numerics;

namespace Colo.Vmm.Cpu;

/// <summary>Entry into and return from traps, and the choice of interrupts (privileged specification, 3.1.6 to 3.1.9,
/// 12.1.3).</summary>
internal sealed unsafe class TrapUnit(HartContext* context, Mmu mmu, CsrFile csrs)
{
    /// <summary>Enters the handler for an exception of the instruction at pc.</summary>
    public void Raise(ulong cause, ulong value)
    {
        bool toSupervisor = context->Privilege != PrivilegeMode.Machine && (context->Cold.Medeleg >> (int)cause & 1) != 0;
        Enter(cause, value, toSupervisor, context->Pc);
    }

    /// <summary>The interrupts that would be taken now.</summary>
    public ulong Deliverable(out bool toSupervisor)
    {
        ref HartState cold = ref context->Cold;
        ulong pending = csrs.Mip & cold.Mie;
        ulong machine = pending & ~cold.Mideleg;
        toSupervisor = false;
        if (machine != 0 && (context->Privilege != PrivilegeMode.Machine || (cold.Mstatus & Mstatus.Mie) != 0))
        {
            return machine;
        }

        toSupervisor = true;
        bool enabled = context->Privilege == PrivilegeMode.User
            || (context->Privilege == PrivilegeMode.Supervisor && (cold.Mstatus & Mstatus.Sie) != 0);
        return enabled ? pending & cold.Mideleg : 0;
    }

    /// <summary>Takes the most urgent interrupt that is pending and enabled, if there is one.</summary>
    public bool TakeInterrupt()
    {
        ulong ready = Deliverable(out bool toSupervisor);
        if (ready == 0)
        {
            return false;
        }

        // MEI, MSI, MTI, SEI, SSI, STI.
        int bit = ready switch
        {
            _ when (ready & 1 << 11) != 0 => 11,
            _ when (ready & 1 << 3) != 0 => 3,
            _ when (ready & 1 << 7) != 0 => 7,
            _ when (ready & 1 << 9) != 0 => 9,
            _ when (ready & 1 << 1) != 0 => 1,
            _ => BitOperations.TrailingZeroCount(ready),
        };
        Enter(TrapCause.InterruptFlag | (uint)bit, 0, toSupervisor, context->Pc);
        return true;
    }

    public void ReturnFromMachine()
    {
        ref HartState cold = ref context->Cold;
        ulong status = cold.Mstatus;
        PrivilegeMode mode = (PrivilegeMode)(status >> Mstatus.MppShift & 3);
        status = status & ~(Mstatus.Mie | Mstatus.Mpp) | ((status & Mstatus.Mpie) != 0 ? Mstatus.Mie : 0) | Mstatus.Mpie;
        if (mode != PrivilegeMode.Machine)
        {
            status &= ~Mstatus.Mprv;
        }

        cold.Mstatus = status;
        context->Pc = cold.Mepc;
        SetMode(mode);
    }

    public void ReturnFromSupervisor()
    {
        ref HartState cold = ref context->Cold;
        ulong status = cold.Mstatus;
        PrivilegeMode mode = (status & Mstatus.Spp) != 0 ? PrivilegeMode.Supervisor : PrivilegeMode.User;
        status = status & ~(Mstatus.Sie | Mstatus.Spp | Mstatus.Mprv)
            | ((status & Mstatus.Spie) != 0 ? Mstatus.Sie : 0) | Mstatus.Spie;
        cold.Mstatus = status;
        context->Pc = cold.Sepc;
        SetMode(mode);
    }

    private void Enter(ulong cause, ulong value, bool toSupervisor, ulong pc)
    {
        ref HartState cold = ref context->Cold;
        ulong status = cold.Mstatus;
        ulong vector;
        if (toSupervisor)
        {
            cold.Sepc = pc;
            cold.Scause = cause;
            cold.Stval = value;
            status = status & ~(Mstatus.Sie | Mstatus.Spie | Mstatus.Spp)
                | ((status & Mstatus.Sie) != 0 ? Mstatus.Spie : 0)
                | (context->Privilege == PrivilegeMode.Supervisor ? Mstatus.Spp : 0);
            vector = cold.Stvec;
        }
        else
        {
            cold.Mepc = pc;
            cold.Mcause = cause;
            cold.Mtval = value;
            status = status & ~(Mstatus.Mie | Mstatus.Mpie | Mstatus.Mpp)
                | ((status & Mstatus.Mie) != 0 ? Mstatus.Mpie : 0)
                | (ulong)context->Privilege << Mstatus.MppShift;
            vector = cold.Mtvec;
        }

        cold.Mstatus = status;
        bool vectored = (vector & 1) != 0 && (cause & TrapCause.InterruptFlag) != 0;
        context->Pc = (vector & ~3UL) + (vectored ? (cause & 63) * 4 : 0);
        SetMode(toSupervisor ? PrivilegeMode.Supervisor : PrivilegeMode.Machine);
    }

    private void SetMode(PrivilegeMode mode)
    {
        context->Privilege = mode;
        mmu.UpdateMode();
        csrs.Attend();
    }
}
