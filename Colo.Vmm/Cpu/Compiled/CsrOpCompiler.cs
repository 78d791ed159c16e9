using System.Reflection.Emit;
using Colo.Vmm.Cpu.Decode;
using OpCode = Colo.Vmm.Cpu.Decode.OpCode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// IL of the CSR instructions that a kernel executes all the time: sstatus.SIE around its critical sections, SUM around
/// copies from and to user memory, and the registers of a trap's entry and return. In supervisor mode and with no
/// interrupt to be taken they are loads and stores of the context; otherwise the region is left before the instruction,
/// and the interpreter does it.
/// </summary>
internal sealed class CsrOpCompiler(ILGenerator il, RegionLocals locals)
{
    private const uint ReadWrite = 1;
    private const uint ReadSet = 2;
    private const uint ReadClear = 3;
    private const uint ReadSetImmediate = 6;
    private const uint ReadClearImmediate = 7;
    private const ulong Changeable = Mstatus.Sie | Mstatus.Sum;

    public static bool Supports(in Op op)
    {
        if (op.Code != OpCode.System || (op.Imm & 0x7f) != 0x73)
        {
            return false;
        }

        uint source = Source(op);
        return Number(op) switch
        {
            Csr.Sstatus => Function(op) is ReadSet or ReadClear
                || (Function(op) is ReadSetImmediate or ReadClearImmediate && (source & ~Mstatus.Sie) == 0),
            Csr.Sscratch or Csr.Sepc => Function(op) == ReadWrite || IsRead(op),
            Csr.Scause or Csr.Stval => IsRead(op),
            _ => false,
        };
    }

    /// <summary>Whether the instruction may let an interrupt in: then the interpreter does it now and then, and the
    /// region is to be entered behind it.</summary>
    public static bool MayEnableInterrupts(in Op op) =>
        Number(op) == Csr.Sstatus && Function(op) is ReadSet or ReadSetImmediate && Source(op) != 0;

    /// <summary>Whether the instruction may change what the loads and stores behind it may reach.</summary>
    public static bool MayChangeAccess(in Op op) =>
        Number(op) == Csr.Sstatus && ReadsRegister(op) && Source(op) != 0;

    /// <summary>Whether a register is read, not an immediate.</summary>
    public static bool ReadsRegister(in Op op) => Function(op) <= ReadClear;

    /// <param name="op">One that is supported.</param>
    /// <param name="leave">Where the region is left for the interpreter, before it. Not for another region: that
    /// might be this one.</param>
    public void Emit(in Op op, Label leave)
    {
        il.EmitPlace(ContextField.Offset(nameof(HartContext.Privilege)));
        il.Emit(OpCodes.Ldind_I4);
        il.Emit(OpCodes.Ldc_I4, (int)PrivilegeMode.Supervisor);
        il.Emit(OpCodes.Bne_Un, leave);
        switch (Number(op))
        {
            case Csr.Sstatus: EmitStatus(op, leave); break;
            case Csr.Sscratch: EmitRegister(op, ContextField.Cold(nameof(HartState.Sscratch)), ulong.MaxValue); break;
            case Csr.Sepc: EmitRegister(op, ContextField.Cold(nameof(HartState.Sepc)), ~1UL); break;
            case Csr.Scause: EmitRegister(op, ContextField.Cold(nameof(HartState.Scause)), 0); break;
            default: EmitRegister(op, ContextField.Cold(nameof(HartState.Stval)), 0); break;
        }
    }

    private static int Number(in Op op) => (int)((uint)op.Imm >> 20);

    private static uint Function(in Op op) => (uint)op.Imm >> 12 & 7;

    private static uint Source(in Op op) => (uint)op.Imm >> 15 & 31;

    private static bool IsRead(in Op op) => Function(op) != ReadWrite && Source(op) == 0;

    /// <summary>A register that means nothing to the hart between traps.</summary>
    private void EmitRegister(in Op op, int place, ulong writable)
    {
        LocalBuilder? written = null;
        if (Function(op) == ReadWrite)
        {
            written = locals.Scratch();
            locals.EmitLoad(op.Rs1);
            il.Emit(OpCodes.Ldc_I8, (long)writable);
            il.Emit(OpCodes.And);
            il.Emit(OpCodes.Stloc, written);
        }

        il.EmitPlace(place);
        il.Emit(OpCodes.Ldind_I8);
        locals.EmitStore(op.Rd);
        if (written is not null)
        {
            StoreField(place, written);
        }
    }

    /// <summary>
    /// sstatus with SIE and SUM as the only bits that may change. What another thread makes pending after the look at
    /// mip is followed by a mark in the pending word, which is still there at the next block boundary.
    /// </summary>
    private void EmitStatus(in Op op, Label leave)
    {
        LocalBuilder bits = locals.Scratch();
        LocalBuilder status = locals.Scratch();
        if (ReadsRegister(op))
        {
            locals.EmitLoad(op.Rs1);
            il.Emit(OpCodes.Stloc, bits);
            il.Emit(OpCodes.Ldloc, bits);
            il.Emit(OpCodes.Ldc_I8, ~(long)Changeable);
            il.Emit(OpCodes.And);
            il.Emit(OpCodes.Brtrue, leave);
        }
        else
        {
            il.Emit(OpCodes.Ldc_I8, (long)Source(op));
            il.Emit(OpCodes.Stloc, bits);
        }

        if (MayEnableInterrupts(op))
        {
            EmitInterruptTest(bits, leave);
        }

        il.EmitPlace(ContextField.Cold(nameof(HartState.Mstatus)));
        il.Emit(OpCodes.Ldind_I8);
        il.Emit(OpCodes.Stloc, status);
        if (op.Rd != HartContext.SinkRegister)
        {
            EmitVisible(status);
            locals.EmitStore(op.Rd);
        }

        if (Source(op) != 0)
        {
            il.Emit(OpCodes.Ldloc, status);
            il.Emit(OpCodes.Ldloc, bits);
            if (Function(op) is ReadClear or ReadClearImmediate)
            {
                il.Emit(OpCodes.Not);
                il.Emit(OpCodes.And);
            }
            else
            {
                il.Emit(OpCodes.Or);
            }

            il.Emit(OpCodes.Stloc, bits);
            StoreField(ContextField.Cold(nameof(HartState.Mstatus)), bits);
            if (MayChangeAccess(op))
            {
                EmitAccessChange(status, bits);
            }
        }
    }

    /// <summary>Takes the arrays of the TLB for S with or without SUM, when that has changed: as
    /// <see cref="Mmu.UpdateMode"/> does.</summary>
    private void EmitAccessChange(LocalBuilder before, LocalBuilder now)
    {
        Label same = il.DefineLabel();
        Label store = il.DefineLabel();
        LocalBuilder distance = locals.ScratchPointer();
        il.Emit(OpCodes.Ldloc, before);
        il.Emit(OpCodes.Ldloc, now);
        il.Emit(OpCodes.Xor);
        il.Emit(OpCodes.Ldc_I8, (long)Mstatus.Sum);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Brfalse, same);
        il.Emit(OpCodes.Ldc_I4, Mmu.SupervisorToSum);
        il.Emit(OpCodes.Conv_I);
        il.Emit(OpCodes.Stloc, distance);
        il.Emit(OpCodes.Ldloc, now);
        il.Emit(OpCodes.Ldc_I8, (long)Mstatus.Sum);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Brtrue, store);
        il.Emit(OpCodes.Ldloc, distance);
        il.Emit(OpCodes.Neg);
        il.Emit(OpCodes.Stloc, distance);
        il.MarkLabel(store);
        foreach (string array in (string[])[nameof(HartContext.ReadTlb), nameof(HartContext.WriteTlb)])
        {
            il.EmitPlace(ContextField.Offset(array));
            il.EmitPlace(ContextField.Offset(array));
            il.Emit(OpCodes.Ldind_I);
            il.Emit(OpCodes.Ldloc, distance);
            il.Emit(OpCodes.Add);
            il.Emit(OpCodes.Stind_I);
        }

        locals.EmitLoadTlb();
        il.MarkLabel(same);
    }

    /// <summary>Leaves when bits are to be set and any enabled interrupt is pending.</summary>
    private void EmitInterruptTest(LocalBuilder bits, Label leave)
    {
        Label quiet = il.DefineLabel();
        il.Emit(OpCodes.Ldloc, bits);
        il.Emit(OpCodes.Brfalse, quiet);
        il.EmitPlace(ContextField.Cold(nameof(HartState.Mip)));
        il.Emit(OpCodes.Volatile);
        il.Emit(OpCodes.Ldind_I8);
        il.EmitPlace(ContextField.Cold(nameof(HartState.Mie)));
        il.Emit(OpCodes.Ldind_I8);
        il.Emit(OpCodes.Ldc_I8, (long)CsrFile.ExternalSeip);
        il.Emit(OpCodes.Or);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Brtrue, leave);
        il.MarkLabel(quiet);
    }

    /// <summary>Pushes what sstatus shows: as <see cref="CsrFile.Status"/> composes it.</summary>
    private void EmitVisible(LocalBuilder status)
    {
        LocalBuilder fs = locals.Scratch();
        il.EmitPlace(ContextField.Offset(nameof(HartContext.Fs)));
        il.Emit(OpCodes.Ldind_U4);
        il.Emit(OpCodes.Conv_U8);
        il.Emit(OpCodes.Stloc, fs);
        il.Emit(OpCodes.Ldloc, status);
        il.Emit(OpCodes.Ldc_I8, (long)Mstatus.SupervisorWritable);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Ldc_I8, (long)Mstatus.Uxl64);
        il.Emit(OpCodes.Or);
        il.Emit(OpCodes.Ldloc, fs);
        il.Emit(OpCodes.Ldc_I4, Mstatus.FsShift);
        il.Emit(OpCodes.Shl);
        il.Emit(OpCodes.Or);
        // SD: 3 is the only value of FS that carries when 1 is added.
        il.Emit(OpCodes.Ldloc, fs);
        il.Emit(OpCodes.Ldc_I8, 1L);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Ldc_I4_2);
        il.Emit(OpCodes.Shr_Un);
        il.Emit(OpCodes.Ldc_I4, 63);
        il.Emit(OpCodes.Shl);
        il.Emit(OpCodes.Or);
    }

    private void StoreField(int offset, LocalBuilder value)
    {
        il.EmitPlace(offset);
        il.Emit(OpCodes.Ldloc, value);
        il.Emit(OpCodes.Stind_I8);
    }
}
