using System.Reflection;
using System.Reflection.Emit;
using Colo.Vmm.Cpu.Decode;
using OpCode = Colo.Vmm.Cpu.Decode.OpCode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// IL of double-precision instructions on the host's FPU. The region's guard has made sure that rounding is to nearest
/// and inexact is set, so a normal result well inside the range is right and raises nothing new; any other result leaves
/// to the interpreter before anything is written.
/// </summary>
internal sealed class FloatOpCompiler(ILGenerator il, RegionLocals locals)
{
    private const int RoundTowardZero = 1;

    private static readonly MethodInfo ToBits = Find(typeof(BitConverter), nameof(BitConverter.DoubleToUInt64Bits));
    private static readonly MethodInfo FromBits = Find(typeof(BitConverter), nameof(BitConverter.UInt64BitsToDouble));
    private static readonly MethodInfo SquareRoot = typeof(Math).GetMethod(nameof(Math.Sqrt), [typeof(double)])!;
    private static readonly MethodInfo Fused = Find(typeof(Math), nameof(Math.FusedMultiplyAdd));

    public static bool Supports(in Op op) => op.Code switch
    {
        OpCode.Fld or OpCode.Fsd => true,
        (>= OpCode.FmaddD and <= OpCode.FnmaddD) or (>= OpCode.FaddD and <= OpCode.FsqrtD) => (op.Imm & 7) is 0 or 7,
        >= OpCode.FsgnjD and <= OpCode.FsgnjxD => true,
        OpCode.FcvtWD => (op.Imm & 7) == RoundTowardZero,
        OpCode.FmvXD or OpCode.FmvDX or OpCode.FcvtDW or OpCode.FcvtDWu => true,
        >= OpCode.FeqD and <= OpCode.FleD => true,
        _ => false,
    };

    public void Emit(in Op op, Func<Label> exit)
    {
        switch (op.Code)
        {
            case >= OpCode.FmaddD and <= OpCode.FnmaddD:
                EmitFused(op);
                FinishResult(op, exit());
                break;
            case >= OpCode.FaddD and <= OpCode.FsqrtD:
                EmitArithmetic(op);
                FinishResult(op, exit());
                break;
            case >= OpCode.FsgnjD and <= OpCode.FsgnjxD:
                EmitSign(op);
                break;
            case OpCode.FcvtWD:
                EmitToWord(op, exit());
                break;
            case OpCode.FmvXD:
                locals.EmitLoadFloat(op.Rs1);
                il.Emit(OpCodes.Call, ToBits);
                locals.EmitStore(op.Rd);
                break;
            case OpCode.FmvDX:
                locals.EmitLoad(op.Rs1);
                il.Emit(OpCodes.Call, FromBits);
                locals.EmitStoreFloat(op.Rd);
                break;
            case OpCode.FcvtDW:
                locals.EmitLoad(op.Rs1);
                il.Emit(OpCodes.Conv_I4);
                il.Emit(OpCodes.Conv_R8);
                locals.EmitStoreFloat(op.Rd);
                break;
            case OpCode.FcvtDWu:
                locals.EmitLoad(op.Rs1);
                il.Emit(OpCodes.Conv_U4);
                il.Emit(OpCodes.Conv_U8);
                il.Emit(OpCodes.Conv_R8);
                locals.EmitStoreFloat(op.Rd);
                break;
            default:
                EmitCompare(op, exit());
                break;
        }
    }

    private static MethodInfo Find(Type type, string name) => type.GetMethod(name)!;

    private void EmitFused(in Op op)
    {
        locals.EmitLoadFloat(op.Rs1);
        if (op.Code is OpCode.FnmsubD or OpCode.FnmaddD)
        {
            il.Emit(OpCodes.Neg);
        }

        locals.EmitLoadFloat(op.Rs2);
        locals.EmitLoadFloat(op.Imm >> 8 & 31);
        if (op.Code is OpCode.FmsubD or OpCode.FnmaddD)
        {
            il.Emit(OpCodes.Neg);
        }

        il.Emit(OpCodes.Call, Fused);
    }

    private void EmitArithmetic(in Op op)
    {
        locals.EmitLoadFloat(op.Rs1);
        if (op.Code == OpCode.FsqrtD)
        {
            il.Emit(OpCodes.Call, SquareRoot);
            return;
        }

        locals.EmitLoadFloat(op.Rs2);
        il.Emit(op.Code switch
        {
            OpCode.FaddD => OpCodes.Add,
            OpCode.FsubD => OpCodes.Sub,
            OpCode.FmulD => OpCodes.Mul,
            _ => OpCodes.Div,
        });
    }

    /// <summary>Keeps a result whose exponent is far from both ends; leaves otherwise.</summary>
    private void FinishResult(in Op op, Label exit)
    {
        il.Emit(OpCodes.Stloc, locals.Result);
        il.Emit(OpCodes.Ldloc, locals.Result);
        il.Emit(OpCodes.Call, ToBits);
        il.Emit(OpCodes.Ldc_I4, 52);
        il.Emit(OpCodes.Shr_Un);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ldc_I4, 0x7ff);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Ldc_I4, 120);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Ldc_I4, 1925);
        il.Emit(OpCodes.Bge_Un, exit);
        il.Emit(OpCodes.Ldloc, locals.Result);
        locals.EmitStoreFloat(op.Rd);
    }

    private void EmitSign(in Op op)
    {
        locals.EmitLoadFloat(op.Rs1);
        if (op.Rs1 == op.Rs2 && op.Code == OpCode.FsgnjD)
        {
            locals.EmitStoreFloat(op.Rd);
            return;
        }

        il.Emit(OpCodes.Call, ToBits);
        if (op.Code != OpCode.FsgnjxD)
        {
            il.Emit(OpCodes.Ldc_I8, long.MaxValue);
            il.Emit(OpCodes.And);
        }

        locals.EmitLoadFloat(op.Rs2);
        il.Emit(OpCodes.Call, ToBits);
        if (op.Code == OpCode.FsgnjnD)
        {
            il.Emit(OpCodes.Not);
        }

        il.Emit(OpCodes.Ldc_I8, long.MinValue);
        il.Emit(OpCodes.And);
        il.Emit(op.Code == OpCode.FsgnjxD ? OpCodes.Xor : OpCodes.Or);
        il.Emit(OpCodes.Call, FromBits);
        locals.EmitStoreFloat(op.Rd);
    }

    private void EmitToWord(in Op op, Label exit)
    {
        // The unordered forms leave for NaN too.
        locals.EmitLoadFloat(op.Rs1);
        il.Emit(OpCodes.Ldc_R8, -2147483649.0);
        il.Emit(OpCodes.Ble_Un, exit);
        locals.EmitLoadFloat(op.Rs1);
        il.Emit(OpCodes.Ldc_R8, 2147483648.0);
        il.Emit(OpCodes.Bge_Un, exit);
        locals.EmitLoadFloat(op.Rs1);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Conv_I8);
        locals.EmitStore(op.Rd);
    }

    private void EmitCompare(in Op op, Label exit)
    {
        foreach (int register in new int[] { op.Rs1, op.Rs2 })
        {
            locals.EmitLoadFloat(register);
            locals.EmitLoadFloat(register);
            il.Emit(OpCodes.Bne_Un, exit);
        }

        // fle is "not greater" once NaN is excluded.
        bool swap = op.Code == OpCode.FleD;
        locals.EmitLoadFloat(swap ? op.Rs2 : op.Rs1);
        locals.EmitLoadFloat(swap ? op.Rs1 : op.Rs2);
        il.Emit(op.Code == OpCode.FeqD ? OpCodes.Ceq : OpCodes.Clt);
        if (swap)
        {
            il.Emit(OpCodes.Ldc_I4_0);
            il.Emit(OpCodes.Ceq);
        }

        il.Emit(OpCodes.Conv_U8);
        locals.EmitStore(op.Rd);
    }
}
