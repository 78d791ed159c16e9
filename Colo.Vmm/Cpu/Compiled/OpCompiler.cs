using System.Reflection.Emit;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Cpu.Interpret;
using OpCode = Colo.Vmm.Cpu.Decode.OpCode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>IL of single integer instructions, loads and stores. What it does not support the interpreter does.</summary>
internal sealed class OpCompiler(ILGenerator il, RegionLocals locals)
{
    private readonly FloatOpCompiler _floats = new(il, locals);

    public static bool Supports(in Op op) => op.Code switch
    {
        >= OpCode.Nop and <= OpCode.Remuw => true,
        >= OpCode.Jal and <= OpCode.Sd => true,
        OpCode.Fence => true,
        >= OpCode.AmoSwapW and <= OpCode.AmoOrW => op.Code != OpCode.AmoXorW,
        >= OpCode.AmoSwapD and <= OpCode.AmoOrD => op.Code != OpCode.AmoXorD,
        _ => FloatOpCompiler.Supports(op),
    };

    /// <summary>Emits one instruction; <paramref name="exit"/> gives the label that leaves before it.</summary>
    public void Emit(in RegionInstruction instruction, Func<Label> exit)
    {
        Op op = instruction.Op;
        switch (op.Code)
        {
            case OpCode.Nop:
                break;
            case OpCode.Lui:
                il.Emit(OpCodes.Ldc_I8, (long)op.Imm);
                locals.EmitStore(op.Rd);
                break;
            case OpCode.Auipc:
                LoadAddress(instruction.Offset + (long)op.Imm);
                locals.EmitStore(op.Rd);
                break;
            case >= OpCode.Mv and <= OpCode.Sraiw:
                EmitImmediate(op);
                locals.EmitStore(op.Rd);
                break;
            case >= OpCode.Add and <= OpCode.Sraw:
                EmitRegister(op);
                locals.EmitStore(op.Rd);
                break;
            case >= OpCode.Mul and <= OpCode.Remuw:
                EmitMultiply(op);
                locals.EmitStore(op.Rd);
                break;
            case >= OpCode.Lb and <= OpCode.Lwu:
                EmitAddress(op, LoadSize(op.Code), locals.ReadTlb, exit());
                EmitLoadHost(op.Code);
                locals.EmitStore(op.Rd);
                break;
            case >= OpCode.Sb and <= OpCode.Sd:
                EmitAddress(op, 1 << (op.Code - OpCode.Sb), locals.WriteTlb, exit());
                locals.EmitLoad(op.Rs2);
                EmitStoreHost(op.Code);
                break;
            case OpCode.Fence:
                il.Emit(OpCodes.Call, typeof(Interlocked).GetMethod(nameof(Interlocked.MemoryBarrier))!);
                break;
            case >= OpCode.AmoSwapW and <= OpCode.AmoMaxuD:
                EmitAtomic(op, exit());
                break;
            case OpCode.Fld:
                EmitAddress(op, 8, locals.ReadTlb, exit());
                il.Emit(OpCodes.Ldind_R8);
                locals.EmitStoreFloat(op.Rd);
                break;
            case OpCode.Fsd:
                EmitAddress(op, 8, locals.WriteTlb, exit());
                locals.EmitLoadFloat(op.Rs2);
                il.Emit(OpCodes.Stind_R8);
                break;
            default:
                _floats.Emit(op, exit);
                break;
        }
    }

    /// <summary>Pushes a virtual address given by its distance from the page.</summary>
    public void LoadAddress(long offset)
    {
        il.Emit(OpCodes.Ldloc, locals.Base);
        il.Emit(OpCodes.Ldc_I8, offset);
        il.Emit(OpCodes.Add);
    }

    public void EmitCondition(in Op op, bool negate, Label target)
    {
        locals.EmitLoad(op.Rs1);
        locals.EmitLoad(op.Rs2);
        il.Emit(
            (op.Code, negate) switch
            {
                (OpCode.Beq, false) or (OpCode.Bne, true) => OpCodes.Beq,
                (OpCode.Beq, true) or (OpCode.Bne, false) => OpCodes.Bne_Un,
                (OpCode.Blt, false) or (OpCode.Bge, true) => OpCodes.Blt,
                (OpCode.Blt, true) or (OpCode.Bge, false) => OpCodes.Bge,
                (OpCode.Bltu, false) or (OpCode.Bgeu, true) => OpCodes.Blt_Un,
                _ => OpCodes.Bge_Un,
            },
            target);
    }

    private static int LoadSize(OpCode code) => code switch
    {
        OpCode.Lb or OpCode.Lbu => 1,
        OpCode.Lh or OpCode.Lhu => 2,
        OpCode.Lw or OpCode.Lwu => 4,
        _ => 8,
    };

    /// <summary>
    /// Pushes the host address, or leaves when the probe misses. The tag is compared with the page of the last byte and
    /// indexed by the first, so an access that crosses pages never matches.
    /// </summary>
    private void EmitAddress(in Op op, int size, LocalBuilder tlb, Label exit)
    {
        locals.EmitLoad(op.Rs1);
        if (op.Imm != 0)
        {
            il.Emit(OpCodes.Ldc_I8, (long)op.Imm);
            il.Emit(OpCodes.Add);
        }

        il.Emit(OpCodes.Stloc, locals.Address);
        il.Emit(OpCodes.Ldloc, tlb);
        il.Emit(OpCodes.Ldloc, locals.Address);
        il.Emit(OpCodes.Ldc_I4, 8);
        il.Emit(OpCodes.Shr_Un);
        il.Emit(OpCodes.Ldc_I8, (long)((Mmu.EntryCount - 1) << 4));
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Conv_I);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Stloc, locals.Entry);
        il.Emit(OpCodes.Ldloc, locals.Entry);
        il.Emit(OpCodes.Ldind_I8);
        il.Emit(OpCodes.Ldloc, locals.Address);
        if (size > 1)
        {
            il.Emit(OpCodes.Ldc_I8, size - 1L);
            il.Emit(OpCodes.Add);
        }

        il.Emit(OpCodes.Ldc_I8, -4096L);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Bne_Un, exit);
        il.Emit(OpCodes.Ldloc, locals.Address);
        il.Emit(OpCodes.Ldloc, locals.Entry);
        il.Emit(OpCodes.Ldc_I4_8);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Ldind_I8);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Conv_I);
    }

    /// <summary>Swap, add, and, or on host atomics, which the just-in-time compiler emits in place.</summary>
    private void EmitAtomic(in Op op, Label exit)
    {
        bool wide = op.Code >= OpCode.AmoSwapD;
        locals.EmitLoad(op.Rs1);
        il.Emit(OpCodes.Ldc_I8, wide ? 7L : 3L);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Brtrue, exit);
        EmitAddress(op, wide ? 8 : 4, locals.WriteTlb, exit);
        locals.EmitLoad(op.Rs2);
        if (!wide)
        {
            il.Emit(OpCodes.Conv_I4);
        }

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
            locals.EmitLoad(op.Rs2);
            if (!wide)
            {
                il.Emit(OpCodes.Conv_I4);
            }

            il.Emit(OpCodes.Sub);
        }

        if (!wide)
        {
            il.Emit(OpCodes.Conv_I8);
        }

        locals.EmitStore(op.Rd);
    }

    private void EmitLoadHost(OpCode code)
    {
        switch (code)
        {
            case OpCode.Lb: il.Emit(OpCodes.Ldind_I1); il.Emit(OpCodes.Conv_I8); break;
            case OpCode.Lh: il.Emit(OpCodes.Ldind_I2); il.Emit(OpCodes.Conv_I8); break;
            case OpCode.Lw: il.Emit(OpCodes.Ldind_I4); il.Emit(OpCodes.Conv_I8); break;
            case OpCode.Lbu: il.Emit(OpCodes.Ldind_U1); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Lhu: il.Emit(OpCodes.Ldind_U2); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Lwu: il.Emit(OpCodes.Ldind_U4); il.Emit(OpCodes.Conv_U8); break;
            default: il.Emit(OpCodes.Ldind_I8); break;
        }
    }

    private void EmitStoreHost(OpCode code)
    {
        switch (code)
        {
            case OpCode.Sb: il.Emit(OpCodes.Conv_I1); il.Emit(OpCodes.Stind_I1); break;
            case OpCode.Sh: il.Emit(OpCodes.Conv_I2); il.Emit(OpCodes.Stind_I2); break;
            case OpCode.Sw: il.Emit(OpCodes.Conv_I4); il.Emit(OpCodes.Stind_I4); break;
            default: il.Emit(OpCodes.Stind_I8); break;
        }
    }

    private void EmitImmediate(in Op op)
    {
        locals.EmitLoad(op.Rs1);
        switch (op.Code)
        {
            case OpCode.Mv: break;
            case OpCode.Slti: Wide(op.Imm, OpCodes.Clt); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Sltiu: Wide(op.Imm, OpCodes.Clt_Un); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Xori: Wide(op.Imm, OpCodes.Xor); break;
            case OpCode.Ori: Wide(op.Imm, OpCodes.Or); break;
            case OpCode.Andi: Wide(op.Imm, OpCodes.And); break;
            case OpCode.Slli: Narrow(op.Imm, OpCodes.Shl); break;
            case OpCode.Srli: Narrow(op.Imm, OpCodes.Shr_Un); break;
            case OpCode.Srai: Narrow(op.Imm, OpCodes.Shr); break;
            case OpCode.Addiw: Word(op.Imm, OpCodes.Add); break;
            case OpCode.Slliw: Word(op.Imm, OpCodes.Shl); break;
            case OpCode.Srliw: Word(op.Imm, OpCodes.Shr_Un); break;
            case OpCode.Sraiw: Word(op.Imm, OpCodes.Shr); break;
            default: Wide(op.Imm, OpCodes.Add); break;
        }
    }

    private void Wide(long immediate, System.Reflection.Emit.OpCode operation)
    {
        il.Emit(OpCodes.Ldc_I8, immediate);
        il.Emit(operation);
    }

    private void Narrow(int immediate, System.Reflection.Emit.OpCode operation)
    {
        il.Emit(OpCodes.Ldc_I4, immediate);
        il.Emit(operation);
    }

    private void Word(int immediate, System.Reflection.Emit.OpCode operation)
    {
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ldc_I4, immediate);
        il.Emit(operation);
        il.Emit(OpCodes.Conv_I8);
    }

    private void EmitRegister(in Op op)
    {
        switch (op.Code)
        {
            case OpCode.Add: Both(op, OpCodes.Add); break;
            case OpCode.Sub: Both(op, OpCodes.Sub); break;
            case OpCode.Xor: Both(op, OpCodes.Xor); break;
            case OpCode.Or: Both(op, OpCodes.Or); break;
            case OpCode.And: Both(op, OpCodes.And); break;
            case OpCode.Slt: Both(op, OpCodes.Clt); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Sltu: Both(op, OpCodes.Clt_Un); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Sll: Shift(op, 63, OpCodes.Shl); break;
            case OpCode.Srl: Shift(op, 63, OpCodes.Shr_Un); break;
            case OpCode.Sra: Shift(op, 63, OpCodes.Shr); break;
            case OpCode.Sllw: Shift(op, 31, OpCodes.Shl); break;
            case OpCode.Srlw: Shift(op, 31, OpCodes.Shr_Un); break;
            case OpCode.Sraw: Shift(op, 31, OpCodes.Shr); break;
            case OpCode.Addw: BothWords(op, OpCodes.Add); break;
            default: BothWords(op, OpCodes.Sub); break;
        }
    }

    private void Both(in Op op, System.Reflection.Emit.OpCode operation)
    {
        locals.EmitLoad(op.Rs1);
        locals.EmitLoad(op.Rs2);
        il.Emit(operation);
    }

    private void BothWords(in Op op, System.Reflection.Emit.OpCode operation)
    {
        locals.EmitLoad(op.Rs1);
        il.Emit(OpCodes.Conv_I4);
        locals.EmitLoad(op.Rs2);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(operation);
        il.Emit(OpCodes.Conv_I8);
    }

    private void Shift(in Op op, int mask, System.Reflection.Emit.OpCode operation)
    {
        locals.EmitLoad(op.Rs1);
        if (mask == 31)
        {
            il.Emit(OpCodes.Conv_I4);
        }

        locals.EmitLoad(op.Rs2);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ldc_I4, mask);
        il.Emit(OpCodes.And);
        il.Emit(operation);
        if (mask == 31)
        {
            il.Emit(OpCodes.Conv_I8);
        }
    }

    /// <summary>Division is rare enough for a call; multiplication is not.</summary>
    private void EmitMultiply(in Op op)
    {
        switch (op.Code)
        {
            case OpCode.Mul: Both(op, OpCodes.Mul); break;
            case OpCode.Mulw: BothWords(op, OpCodes.Mul); break;
            case OpCode.Mulh: Call(op, nameof(Division.MultiplyHigh), null); break;
            case OpCode.Mulhu: Call(op, nameof(Division.MultiplyHighUnsigned), null); break;
            case OpCode.Mulhsu: Call(op, nameof(Division.MultiplyHighSignedUnsigned), null); break;
            case OpCode.Div: Call(op, nameof(Division.Divide), null); break;
            case OpCode.Divu: Call(op, nameof(Division.DivideUnsigned), null); break;
            case OpCode.Rem: Call(op, nameof(Division.Remainder), null); break;
            case OpCode.Remu: Call(op, nameof(Division.RemainderUnsigned), null); break;
            case OpCode.Divw: Call(op, nameof(Division.DivideWord), OpCodes.Conv_I4); break;
            case OpCode.Divuw: Call(op, nameof(Division.DivideUnsignedWord), OpCodes.Conv_U4); break;
            case OpCode.Remw: Call(op, nameof(Division.RemainderWord), OpCodes.Conv_I4); break;
            default: Call(op, nameof(Division.RemainderUnsignedWord), OpCodes.Conv_U4); break;
        }
    }

    private void Call(in Op op, string method, System.Reflection.Emit.OpCode? narrow)
    {
        foreach (int register in new int[] { op.Rs1, op.Rs2 })
        {
            locals.EmitLoad(register);
            if (narrow is { } conversion)
            {
                il.Emit(conversion);
            }
        }

        il.Emit(OpCodes.Call, typeof(Division).GetMethod(method)!);
    }
}
