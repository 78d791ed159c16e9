using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>
/// The SYSTEM opcode and fence.i: CSR access, environment calls, trap returns, WFI and sfence.vma (privileged
/// specification, sections 3.3 and 12.2).
/// </summary>
internal sealed unsafe class SystemInstructions(
    HartContext* context, Mmu mmu, CsrFile csrs, TrapUnit traps, CodeCache code, Func<bool> callFirmware)
{
    private const uint Ecall = 0x00000073;
    private const uint Ebreak = 0x00100073;
    private const uint Sret = 0x10200073;
    private const uint Mret = 0x30200073;
    private const uint Wfi = 0x10500073;

    /// <summary>Whether the last Trapped was an illegal instruction that the caller must still raise.</summary>
    public bool WasIllegal { get; private set; }

    public SlowResult Execute(uint raw, int length)
    {
        WasIllegal = false;
        if ((raw & 0x7f) == 0x0f)
        {
            // Stores to decoded pages were noticed when they happened; other harts' and devices' are in the queue.
            code.DropWritten();
            context->Pc += (ulong)length;
            return SlowResult.Left;
        }

        return (raw >> 12 & 7) != 0 ? AccessCsr(raw) : Privileged(raw, length);
    }

    private SlowResult Illegal()
    {
        WasIllegal = true;
        return SlowResult.Trapped;
    }

    private SlowResult Privileged(uint raw, int length)
    {
        ref HartState cold = ref context->Cold;
        PrivilegeMode mode = context->Privilege;
        switch (raw)
        {
            case Ecall:
                return EnvironmentCall(length);
            case Ebreak:
                traps.Raise(TrapCause.Breakpoint, context->Pc);
                return SlowResult.Trapped;
            case Mret when mode == PrivilegeMode.Machine:
                traps.ReturnFromMachine();
                return SlowResult.Left;
            case Sret when mode == PrivilegeMode.Machine
                || (mode == PrivilegeMode.Supervisor && (cold.Mstatus & Mstatus.Tsr) == 0):
                traps.ReturnFromSupervisor();
                return SlowResult.Left;
            case Wfi when mode == PrivilegeMode.Machine
                || (mode == PrivilegeMode.Supervisor && (cold.Mstatus & Mstatus.Tw) == 0):
                context->Pc += (ulong)length;
                csrs.UpdateTimer();
                return (csrs.Mip & cold.Mie) != 0 ? SlowResult.Left : SlowResult.Wait;
            default:
                break;
        }

        bool fence = (raw & 0xfe007fff) == 0x12000073;
        bool allowed = mode == PrivilegeMode.Machine
            || (mode == PrivilegeMode.Supervisor && (cold.Mstatus & Mstatus.Tvm) == 0);
        if (!fence || !allowed)
        {
            return Illegal();
        }

        FenceVma(raw >> 15 & 31, raw >> 20 & 31);
        context->Pc += (ulong)length;
        return SlowResult.Left;
    }

    private SlowResult EnvironmentCall(int length)
    {
        PrivilegeMode mode = context->Privilege;
        if (mode == PrivilegeMode.Supervisor)
        {
            ulong pc = context->Pc;
            context->Pc += (ulong)length;
            if (callFirmware())
            {
                return SlowResult.Left;
            }

            context->Pc = pc;
        }

        traps.Raise(TrapCause.EcallFromUser + (ulong)mode, 0);
        return SlowResult.Trapped;
    }

    private void FenceVma(uint rs1, uint rs2)
    {
        if (rs1 == 0)
        {
            if (rs2 == 0)
            {
                mmu.FlushTranslated();
                code.FlushJumps();
            }
            else
            {
                code.AddressSpaceChanged();
            }

            return;
        }

        if (mmu.FlushPage(context->X[rs1]))
        {
            code.FlushJumps(context->X[rs1]);
        }
        else
        {
            code.FlushJumps();
        }
    }

    private SlowResult AccessCsr(uint raw)
    {
        int number = (int)(raw >> 20);
        uint funct3 = raw >> 12 & 7;
        int rd = (int)(raw >> 7 & 31);
        uint source = raw >> 15 & 31;
        ulong operand = funct3 >= 5 ? source : context->X[source];
        bool isWrite = (funct3 & 3) == 1;
        bool writes = isWrite || source != 0;
        if (!csrs.Permitted(number, writes))
        {
            return Illegal();
        }

        // csrrw with rd = x0 does not read; no register here has a read with side effects, so reading is harmless.
        if (!csrs.TryRead(number, out ulong old))
        {
            return Illegal();
        }

        if (writes)
        {
            ulong from = isWrite ? 0 : csrs.ReadForModify(number, old);
            ulong value = (funct3 & 3) switch { 1 => operand, 2 => from | operand, _ => from & ~operand };
            if (!csrs.TryWrite(number, value))
            {
                return Illegal();
            }
        }

        context->X[rd == 0 ? HartContext.SinkRegister : rd] = old;
        if (writes && number == Csr.Satp)
        {
            // The next instruction is fetched through the new translation: Linux turns paging on by the fault that
            // follows.
            context->Pc += 4;
            return SlowResult.Left;
        }

        return SlowResult.Next;
    }
}
