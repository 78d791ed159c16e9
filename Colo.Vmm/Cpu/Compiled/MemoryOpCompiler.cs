using System.Reflection.Emit;
using Colo.Vmm.Cpu.Decode;
using OpCode = Colo.Vmm.Cpu.Decode.OpCode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// IL of loads, stores, fences and atomics: the TLB probe in place, and out of the region when it misses. Atomics are
/// the host's, which are sequentially consistent; plain loads and stores have x86's order, which only a fence of
/// earlier stores against later loads must strengthen.
/// </summary>
internal sealed class MemoryOpCompiler(ILGenerator il, RegionLocals locals, CompileChoices choices)
{
    private static readonly int ReservationAddressOffset = ContextField.Cold(nameof(HartState.ReservationAddress));
    private static readonly int ReservationValueOffset = ContextField.Cold(nameof(HartState.ReservationValue));

    private ProbeGroup?[] _groups = [];

    public void BeginBlock(RegionBlock block) =>
        _groups = choices.ShareProbes ? ProbeGroups.Of(block) : new ProbeGroup?[block.Instructions.Length];

    public void Emit(int index, in Op op, Func<RegionExit, Label> exit)
    {
        switch (op.Code)
        {
            case OpCode.LrW or OpCode.LrD:
                EmitLoadReserved(op, exit(RegionExit.Memory));
                break;
            case OpCode.ScW or OpCode.ScD:
                EmitStoreConditional(op, exit(RegionExit.Memory));
                break;
            case >= OpCode.AmoSwapW:
                EmitAtomic(op, exit(RegionExit.Memory));
                break;
            case (>= OpCode.Lb and <= OpCode.Lwu) or OpCode.Flw or OpCode.Fld:
                EmitPlace(index, op, false, exit);
                EmitLoad(op);
                break;
            default:
                EmitPlace(index, op, true, exit);
                EmitStore(op);
                break;
        }
    }

    /// <summary>
    /// The host keeps all orders but that of a store before a later load; for the others it is enough that the compiler
    /// moves nothing across, as it does not around a volatile read.
    /// </summary>
    public void EmitFence(in Op op)
    {
        const int EarlierWrites = 0x50;
        const int LaterReads = 0x0a;
        const int TotalStoreOrder = 8;
        if ((op.Imm & EarlierWrites) != 0 && (op.Imm & LaterReads) != 0 && (op.Imm >> 8 & 15) != TotalStoreOrder)
        {
            il.Emit(OpCodes.Call, typeof(Interlocked).GetMethod(nameof(Interlocked.MemoryBarrier))!);
            return;
        }

        il.EmitPlace(ContextField.Offset(nameof(HartContext.Pending)));
        il.Emit(OpCodes.Volatile);
        il.Emit(OpCodes.Ldind_I4);
        il.Emit(OpCodes.Pop);
    }

    /// <summary>Pushes the host address of a load or store.</summary>
    private void EmitPlace(int index, in Op op, bool writes, Func<RegionExit, Label> exit)
    {
        ProbeGroup? group = _groups[index];
        if (group is null)
        {
            EmitProbe(op.Rs1, op.Imm, ProbeGroups.AccessSize(op.Code), writes, exit(RegionExit.Memory), false);
            return;
        }

        if (group.First == index)
        {
            EmitProbe(op.Rs1, group.Low, group.Span, group.Writes, exit(RegionExit.Straddle), true);
            group.Host = il.DeclareLocal(typeof(nint));
            il.Emit(OpCodes.Stloc, group.Host);
        }

        il.Emit(OpCodes.Ldloc, group.Host!);
        if (op.Imm != group.Low)
        {
            il.Emit(OpCodes.Ldc_I4, op.Imm - group.Low);
            il.Emit(OpCodes.Add);
        }
    }

    /// <summary>
    /// Pushes the host address of a register plus an offset, or leaves when the probe misses. The tag is compared with
    /// the page of the last byte and indexed by the first, so what crosses pages never matches.
    /// </summary>
    private void EmitProbe(int register, int offset, int size, bool writes, Label exit, bool isShared)
    {
        LocalBuilder address = locals.Scratch();
        LocalBuilder entry = locals.ScratchPointer();
        locals.EmitLoad(register);
        if (offset != 0)
        {
            il.Emit(OpCodes.Ldc_I8, (long)offset);
            il.Emit(OpCodes.Add);
        }

        il.Emit(OpCodes.Stloc, address);
        il.Emit(OpCodes.Ldloc, locals.Tlb);
        il.Emit(OpCodes.Ldloc, address);
        il.Emit(OpCodes.Ldc_I4, 8);
        il.Emit(OpCodes.Shr_Un);
        il.Emit(OpCodes.Ldc_I8, (long)((Mmu.EntryCount - 1) << 4));
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Conv_I);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Stloc, entry);
        int array = writes ? Mmu.EntryCount * sizeof(ulong) * 2 : 0;
        if (isShared)
        {
            EmitSharedMiss(address, entry, array, size, exit);
        }
        else
        {
            EmitTag(address, entry, array, size);
            il.Emit(OpCodes.Bne_Un, exit);
        }

        il.Emit(OpCodes.Ldloc, address);
        il.Emit(OpCodes.Ldloc, entry);
        il.Emit(OpCodes.Ldc_I4, array + 8);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Ldind_I8);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Conv_I);
    }

    private void EmitTag(LocalBuilder address, LocalBuilder entry, int array, int size)
    {
        il.Emit(OpCodes.Ldloc, entry);
        if (array != 0)
        {
            il.Emit(OpCodes.Ldc_I4, array);
            il.Emit(OpCodes.Add);
        }

        il.Emit(OpCodes.Ldind_I8);
        il.Emit(OpCodes.Ldloc, address);
        if (size > 1)
        {
            il.Emit(OpCodes.Ldc_I8, size - 1L);
            il.Emit(OpCodes.Add);
        }

        il.Emit(OpCodes.Ldc_I8, -4096L);
        il.Emit(OpCodes.And);
    }

    /// <summary>Leaves behind, for the exit, in which bits the first and the last byte's addresses differ.</summary>
    private void EmitSharedMiss(LocalBuilder address, LocalBuilder entry, int array, int size, Label exit)
    {
        Label hit = il.DefineLabel();
        EmitTag(address, entry, array, size);
        il.Emit(OpCodes.Beq, hit);
        il.Emit(OpCodes.Ldloc, address);
        il.Emit(OpCodes.Ldloc, address);
        il.Emit(OpCodes.Ldc_I8, size - 1L);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Xor);
        il.Emit(OpCodes.Stloc, locals.Straddle);
        il.Emit(OpCodes.Br, exit);
        il.MarkLabel(hit);
    }

    private void EmitLoad(in Op op)
    {
        switch (op.Code)
        {
            case OpCode.Lb: il.Emit(OpCodes.Ldind_I1); il.Emit(OpCodes.Conv_I8); break;
            case OpCode.Lh: il.Emit(OpCodes.Ldind_I2); il.Emit(OpCodes.Conv_I8); break;
            case OpCode.Lw: il.Emit(OpCodes.Ldind_I4); il.Emit(OpCodes.Conv_I8); break;
            case OpCode.Lbu: il.Emit(OpCodes.Ldind_U1); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Lhu: il.Emit(OpCodes.Ldind_U2); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Lwu: il.Emit(OpCodes.Ldind_U4); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Ld: il.Emit(OpCodes.Ldind_I8); break;
            case OpCode.Fld:
                il.Emit(OpCodes.Ldind_R8);
                locals.EmitStoreFloat(op.Rd);
                return;
            default:
                il.Emit(OpCodes.Ldind_U4);
                locals.EmitBox();
                locals.EmitStoreFloat(op.Rd);
                return;
        }

        locals.EmitStore(op.Rd);
    }

    private void EmitStore(in Op op)
    {
        switch (op.Code)
        {
            case OpCode.Fsd:
                locals.EmitLoadFloat(op.Rs2);
                il.Emit(OpCodes.Stind_R8);
                return;
            case OpCode.Fsw:
                locals.EmitLoadFloatBits(op.Rs2);
                il.Emit(OpCodes.Conv_I4);
                il.Emit(OpCodes.Stind_I4);
                return;
            default:
                break;
        }

        locals.EmitLoad(op.Rs2);
        switch (op.Code)
        {
            case OpCode.Sb: il.Emit(OpCodes.Conv_I1); il.Emit(OpCodes.Stind_I1); break;
            case OpCode.Sh: il.Emit(OpCodes.Conv_I2); il.Emit(OpCodes.Stind_I2); break;
            case OpCode.Sw: il.Emit(OpCodes.Conv_I4); il.Emit(OpCodes.Stind_I4); break;
            default: il.Emit(OpCodes.Stind_I8); break;
        }
    }

    private static bool IsWide(OpCode code) => code is OpCode.LrD or OpCode.ScD or >= OpCode.AmoSwapD;

    /// <summary>Pushes the host address of an atomic; a misaligned one traps in the interpreter.</summary>
    private void EmitAtomicPlace(in Op op, bool writes, Label exit)
    {
        bool wide = IsWide(op.Code);
        locals.EmitLoad(op.Rs1);
        il.Emit(OpCodes.Ldc_I8, wide ? 7L : 3L);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Brtrue, exit);
        EmitProbe(op.Rs1, 0, wide ? 8 : 4, writes, exit, false);
    }

    /// <summary>Swap, add, and, or on host atomics, which the just-in-time compiler emits in place.</summary>
    private void EmitAtomic(in Op op, Label exit)
    {
        bool wide = IsWide(op.Code);
        EmitAtomicPlace(op, true, exit);
        EmitOperand(op.Rs2, wide);
        string name = op.Code switch
        {
            OpCode.AmoSwapW or OpCode.AmoSwapD => nameof(Interlocked.Exchange),
            OpCode.AmoAddW or OpCode.AmoAddD => nameof(Interlocked.Add),
            OpCode.AmoAndW or OpCode.AmoAndD => nameof(Interlocked.And),
            _ => nameof(Interlocked.Or),
        };
        Type type = wide ? typeof(long) : typeof(int);
        il.Emit(OpCodes.Call, typeof(Interlocked).GetMethod(name, [type.MakeByRefType(), type])!);
        if (name == nameof(Interlocked.Add))
        {
            // .NET gives the sum, the guest wants what was there before.
            EmitOperand(op.Rs2, wide);
            il.Emit(OpCodes.Sub);
        }

        if (!wide)
        {
            il.Emit(OpCodes.Conv_I8);
        }

        locals.EmitStore(op.Rd);
    }

    private void EmitOperand(int register, bool wide)
    {
        locals.EmitLoad(register);
        if (!wide)
        {
            il.Emit(OpCodes.Conv_I4);
        }
    }

    private void EmitLoadReserved(in Op op, Label exit)
    {
        LocalBuilder place = locals.ScratchPointer();
        LocalBuilder value = locals.Scratch();
        EmitAtomicPlace(op, false, exit);
        il.Emit(OpCodes.Stloc, place);
        il.Emit(OpCodes.Ldloc, place);
        il.Emit(OpCodes.Volatile);
        if (IsWide(op.Code))
        {
            il.Emit(OpCodes.Ldind_I8);
        }
        else
        {
            il.Emit(OpCodes.Ldind_I4);
            il.Emit(OpCodes.Conv_I8);
        }

        il.Emit(OpCodes.Stloc, value);
        il.EmitPlace(ReservationAddressOffset);
        EmitPhysical(place);
        il.Emit(OpCodes.Stind_I8);
        il.EmitPlace(ReservationValueOffset);
        il.Emit(OpCodes.Ldloc, value);
        il.Emit(OpCodes.Stind_I8);
        il.Emit(OpCodes.Ldloc, value);
        locals.EmitStore(op.Rd);
    }

    /// <summary>Succeeds when the reservation is for this address and the word still holds what LR read.</summary>
    private void EmitStoreConditional(in Op op, Label exit)
    {
        bool wide = IsWide(op.Code);
        LocalBuilder place = locals.ScratchPointer();
        LocalBuilder failed = locals.Scratch();
        Label done = il.DefineLabel();
        EmitAtomicPlace(op, true, exit);
        il.Emit(OpCodes.Stloc, place);
        il.Emit(OpCodes.Ldc_I8, 1L);
        il.Emit(OpCodes.Stloc, failed);
        il.EmitPlace(ReservationAddressOffset);
        il.Emit(OpCodes.Ldind_I8);
        EmitPhysical(place);
        il.Emit(OpCodes.Bne_Un, done);
        il.Emit(OpCodes.Ldloc, place);
        EmitOperand(op.Rs2, wide);
        EmitExpected(wide);
        Type type = wide ? typeof(long) : typeof(int);
        il.Emit(OpCodes.Call, typeof(Interlocked).GetMethod(nameof(Interlocked.CompareExchange), [type.MakeByRefType(), type, type])!);
        EmitExpected(wide);
        il.Emit(OpCodes.Ceq);
        il.Emit(OpCodes.Ldc_I4_0);
        il.Emit(OpCodes.Ceq);
        il.Emit(OpCodes.Conv_U8);
        il.Emit(OpCodes.Stloc, failed);
        il.MarkLabel(done);
        il.EmitPlace(ReservationAddressOffset);
        il.Emit(OpCodes.Ldc_I8, -1L);
        il.Emit(OpCodes.Stind_I8);
        il.Emit(OpCodes.Ldloc, failed);
        locals.EmitStore(op.Rd);
    }

    private void EmitExpected(bool wide)
    {
        il.EmitPlace(ReservationValueOffset);
        il.Emit(wide ? OpCodes.Ldind_I8 : OpCodes.Ldind_I4);
    }

    private void EmitPhysical(LocalBuilder place)
    {
        il.Emit(OpCodes.Ldloc, place);
        il.Emit(OpCodes.Conv_U8);
        il.Emit(OpCodes.Ldc_I8, (long)choices.HostDelta);
        il.Emit(OpCodes.Sub);
    }
}
