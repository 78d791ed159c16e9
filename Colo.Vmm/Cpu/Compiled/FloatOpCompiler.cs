using System.Reflection;
using System.Reflection.Emit;
using Colo.Vmm.Cpu.Decode;
using OpCode = Colo.Vmm.Cpu.Decode.OpCode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// IL of floating-point instructions on the host's FPU. The region's guard has made sure that rounding is to nearest,
/// so a normal result well inside the range is right and can raise nothing but inexact. If that is set already there is
/// no more to do; if not, sums and products must prove exact by their residual. Any other result leaves to the
/// interpreter before anything is written. Registers are locals of type double that hold the register's 64 bits;
/// a single is unpacked from its NaN box at each use, and leaves when it is not boxed.
/// </summary>
internal sealed class FloatOpCompiler(ILGenerator il, RegionLocals locals)
{
    private const int RoundTowardZero = 1;

    private static readonly MethodInfo DoubleBits = Find(typeof(BitConverter), nameof(BitConverter.DoubleToUInt64Bits));
    private static readonly MethodInfo FromDoubleBits = Find(typeof(BitConverter), nameof(BitConverter.UInt64BitsToDouble));
    private static readonly MethodInfo SingleBits = Find(typeof(BitConverter), nameof(BitConverter.SingleToUInt32Bits));
    private static readonly MethodInfo FromSingleBits = Find(typeof(BitConverter), nameof(BitConverter.UInt32BitsToSingle));
    private static readonly MethodInfo DoubleRoot = typeof(Math).GetMethod(nameof(Math.Sqrt), [typeof(double)])!;
    private static readonly MethodInfo SingleRoot = typeof(MathF).GetMethod(nameof(MathF.Sqrt), [typeof(float)])!;
    private static readonly MethodInfo DoubleFused = Find(typeof(Math), nameof(Math.FusedMultiplyAdd));
    private static readonly MethodInfo SingleFused = Find(typeof(MathF), nameof(MathF.FusedMultiplyAdd));

    public static bool Supports(in Op op) => op.Code switch
    {
        (>= OpCode.FmaddS and <= OpCode.FsqrtS) or (>= OpCode.FmaddD and <= OpCode.FsqrtD)
            or OpCode.FcvtSD or OpCode.FcvtSW or OpCode.FcvtSWu or OpCode.FcvtDL => (op.Imm & 7) is 0 or 7,
        (>= OpCode.FsgnjS and <= OpCode.FmaxS) or (>= OpCode.FsgnjD and <= OpCode.FmaxD) => true,
        OpCode.FcvtWS or OpCode.FcvtLS or OpCode.FcvtWD or OpCode.FcvtLD => (op.Imm & 7) == RoundTowardZero,
        OpCode.FmvXW or OpCode.FmvWX or OpCode.FmvXD or OpCode.FmvDX => true,
        OpCode.FcvtDW or OpCode.FcvtDWu or OpCode.FcvtDS => true,
        (>= OpCode.FeqS and <= OpCode.FleS) or (>= OpCode.FeqD and <= OpCode.FleD) => true,
        _ => false,
    };

    public void Emit(in Op op, Func<Label> exit)
    {
        switch (op.Code)
        {
            case (>= OpCode.FmaddS and <= OpCode.FnmaddS) or (>= OpCode.FmaddD and <= OpCode.FnmaddD):
                EmitFused(op, exit());
                break;
            case (>= OpCode.FaddS and <= OpCode.FsqrtS) or (>= OpCode.FaddD and <= OpCode.FsqrtD):
                EmitArithmetic(op, exit());
                break;
            case (>= OpCode.FsgnjS and <= OpCode.FsgnjxS) or (>= OpCode.FsgnjD and <= OpCode.FsgnjxD):
                EmitSign(op, exit);
                break;
            case (>= OpCode.FminS and <= OpCode.FmaxS) or (>= OpCode.FminD and <= OpCode.FmaxD):
                EmitLeastOrMost(op, exit());
                break;
            case OpCode.FcvtWS or OpCode.FcvtLS or OpCode.FcvtWD or OpCode.FcvtLD:
                EmitToInteger(op, exit());
                break;
            case (>= OpCode.FeqS and <= OpCode.FleS) or (>= OpCode.FeqD and <= OpCode.FleD):
                EmitCompare(op, exit());
                break;
            case OpCode.FmvXW or OpCode.FmvWX or OpCode.FmvXD or OpCode.FmvDX:
                EmitMove(op);
                break;
            default:
                EmitConversion(op, exit);
                break;
        }
    }

    private static MethodInfo Find(Type type, string name) => type.GetMethod(name)!;

    private static bool IsSingle(OpCode code) => code <= OpCode.FmvWX;

    /// <summary>Pushes a register as a value of its format; leaves for a single that is not boxed.</summary>
    private void LoadValue(int register, bool single, Label exit)
    {
        if (!single)
        {
            locals.EmitLoadFloat(register);
            return;
        }

        LocalBuilder bits = locals.Scratch();
        locals.EmitLoadFloatBits(register);
        il.Emit(OpCodes.Stloc, bits);
        il.Emit(OpCodes.Ldloc, bits);
        il.Emit(OpCodes.Ldc_I4, 32);
        il.Emit(OpCodes.Shr);
        il.Emit(OpCodes.Ldc_I8, -1L);
        il.Emit(OpCodes.Bne_Un, exit);
        il.Emit(OpCodes.Ldloc, bits);
        il.Emit(OpCodes.Conv_U4);
        il.Emit(OpCodes.Call, FromSingleBits);
    }

    private void LoadPair(in Op op, bool single, Label exit, out LocalBuilder left, out LocalBuilder right)
    {
        Type type = single ? typeof(float) : typeof(double);
        left = locals.Scratch(type);
        right = locals.Scratch(type);
        LoadValue(op.Rs1, single, exit);
        il.Emit(OpCodes.Stloc, left);
        LoadValue(op.Rs2, single, exit);
        il.Emit(OpCodes.Stloc, right);
    }

    private void EmitFused(in Op op, Label exit)
    {
        bool single = IsSingle(op.Code);
        LoadPair(op, single, exit, out LocalBuilder left, out LocalBuilder right);
        LocalBuilder addend = locals.Scratch(single ? typeof(float) : typeof(double));
        LoadValue(op.Imm >> 8 & 31, single, exit);
        il.Emit(OpCodes.Stloc, addend);
        il.Emit(OpCodes.Ldloc, left);
        if (op.Code is OpCode.FnmsubD or OpCode.FnmaddD or OpCode.FnmsubS or OpCode.FnmaddS)
        {
            il.Emit(OpCodes.Neg);
        }

        il.Emit(OpCodes.Ldloc, right);
        il.Emit(OpCodes.Ldloc, addend);
        if (op.Code is OpCode.FmsubD or OpCode.FnmaddD or OpCode.FmsubS or OpCode.FnmaddS)
        {
            il.Emit(OpCodes.Neg);
        }

        il.Emit(OpCodes.Call, single ? SingleFused : DoubleFused);
        LocalBuilder result = KeepInRange(single, exit);
        EmitUnlessInexact(exit);
        il.Emit(OpCodes.Ldloc, result);
        StoreValue(op.Rd, single);
    }

    private void EmitArithmetic(in Op op, Label exit)
    {
        bool single = IsSingle(op.Code);
        int kind = op.Code - (single ? OpCode.FaddS : OpCode.FaddD);
        LocalBuilder result;
        if (kind == 4)
        {
            LoadValue(op.Rs1, single, exit);
            il.Emit(OpCodes.Call, single ? SingleRoot : DoubleRoot);
            result = KeepInRange(single, exit);
            EmitUnlessInexact(exit);
        }
        else
        {
            LoadPair(op, single, exit, out LocalBuilder left, out LocalBuilder right);
            il.Emit(OpCodes.Ldloc, left);
            il.Emit(OpCodes.Ldloc, right);
            il.Emit(kind switch { 0 => OpCodes.Add, 1 => OpCodes.Sub, 2 => OpCodes.Mul, _ => OpCodes.Div });
            result = KeepInRange(single, exit);
            EmitResidual(kind, single, left, right, result, exit);
        }

        il.Emit(OpCodes.Ldloc, result);
        StoreValue(op.Rd, single);
    }

    /// <summary>Leaves unless inexact is set already.</summary>
    private void EmitUnlessInexact(Label exit)
    {
        il.Emit(OpCodes.Ldloc, locals.Inexact);
        il.Emit(OpCodes.Brfalse, exit);
    }

    /// <summary>
    /// While inexact is not set, leaves for an inexact result: a sum whose parts do not give back the operands, a
    /// product whose fused difference from the exact one is not zero, every quotient.
    /// </summary>
    private void EmitResidual(
        int kind, bool single, LocalBuilder left, LocalBuilder right, LocalBuilder result, Label exit)
    {
        Label set = il.DefineLabel();
        il.Emit(OpCodes.Ldloc, locals.Inexact);
        il.Emit(OpCodes.Brtrue, set);
        switch (kind)
        {
            case 2:
                il.Emit(OpCodes.Ldloc, left);
                il.Emit(OpCodes.Ldloc, right);
                il.Emit(OpCodes.Ldloc, result);
                il.Emit(OpCodes.Neg);
                il.Emit(OpCodes.Call, single ? SingleFused : DoubleFused);
                LoadZero(single);
                il.Emit(OpCodes.Bne_Un, exit);
                break;
            case 3:
                il.Emit(OpCodes.Br, exit);
                break;
            default:
                EmitSumResidual(kind == 1, single, left, right, result, exit);
                break;
        }

        il.MarkLabel(set);
    }

    /// <summary>Knuth's two-sum of left and right, or of left and minus right.</summary>
    private void EmitSumResidual(
        bool subtract, bool single, LocalBuilder left, LocalBuilder right, LocalBuilder result, Label exit)
    {
        Type type = single ? typeof(float) : typeof(double);
        LocalBuilder second = locals.Scratch(type);
        il.Emit(OpCodes.Ldloc, result);
        il.Emit(OpCodes.Ldloc, left);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Stloc, second);
        il.Emit(OpCodes.Ldloc, left);
        il.Emit(OpCodes.Ldloc, result);
        il.Emit(OpCodes.Ldloc, second);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Ldloc, right);
        if (subtract)
        {
            il.Emit(OpCodes.Neg);
        }

        il.Emit(OpCodes.Ldloc, second);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Add);
        LoadZero(single);
        il.Emit(OpCodes.Bne_Un, exit);
    }

    private void LoadZero(bool single)
    {
        if (single)
        {
            il.Emit(OpCodes.Ldc_R4, 0f);
        }
        else
        {
            il.Emit(OpCodes.Ldc_R8, 0.0);
        }
    }

    /// <summary>Keeps a result whose exponent is far from both ends, with room for its residual; leaves
    /// otherwise.</summary>
    private LocalBuilder KeepInRange(bool single, Label exit)
    {
        LocalBuilder result = locals.Scratch(single ? typeof(float) : typeof(double));
        il.Emit(OpCodes.Stloc, result);
        il.Emit(OpCodes.Ldloc, result);
        il.Emit(OpCodes.Call, single ? SingleBits : DoubleBits);
        il.Emit(OpCodes.Ldc_I4, single ? 23 : 52);
        il.Emit(OpCodes.Shr_Un);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ldc_I4, single ? 0xff : 0x7ff);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Ldc_I4, single ? 54 : 120);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Ldc_I4, single ? 199 : 1925);
        il.Emit(OpCodes.Bge_Un, exit);
        return result;
    }

    /// <summary>Stores the value on the stack into a register, a single in its box.</summary>
    private void StoreValue(int register, bool single)
    {
        if (single)
        {
            il.Emit(OpCodes.Call, SingleBits);
            locals.EmitBox();
        }

        locals.EmitStoreFloat(register);
    }

    private void EmitSign(in Op op, Func<Label> exit)
    {
        bool single = IsSingle(op.Code);
        int kind = op.Code - (single ? OpCode.FsgnjS : OpCode.FsgnjD);
        if (single)
        {
            // Only to leave for what is not boxed.
            LoadPair(op, true, exit(), out _, out _);
        }

        if (op.Rs1 == op.Rs2 && kind == 0)
        {
            locals.EmitLoadFloat(op.Rs1);
            locals.EmitStoreFloat(op.Rd);
            return;
        }

        long sign = single ? 0x8000_0000L : long.MinValue;
        locals.EmitLoadFloatBits(op.Rs1);
        if (kind != 2)
        {
            il.Emit(OpCodes.Ldc_I8, ~sign);
            il.Emit(OpCodes.And);
        }

        locals.EmitLoadFloatBits(op.Rs2);
        if (kind == 1)
        {
            il.Emit(OpCodes.Not);
        }

        il.Emit(OpCodes.Ldc_I8, sign);
        il.Emit(OpCodes.And);
        il.Emit(kind == 2 ? OpCodes.Xor : OpCodes.Or);
        il.Emit(OpCodes.Call, FromDoubleBits);
        locals.EmitStoreFloat(op.Rd);
    }

    /// <summary>Leaves for NaN and for two values that compare equal, of which zeros may differ in sign.</summary>
    private void EmitLeastOrMost(in Op op, Label exit)
    {
        bool single = IsSingle(op.Code);
        bool least = op.Code is OpCode.FminS or OpCode.FminD;
        Label second = il.DefineLabel();
        Label done = il.DefineLabel();
        LoadPair(op, single, exit, out LocalBuilder left, out LocalBuilder right);
        il.Emit(OpCodes.Ldloc, left);
        il.Emit(OpCodes.Ldloc, right);
        il.Emit(least ? OpCodes.Bgt : OpCodes.Blt, second);
        il.Emit(OpCodes.Ldloc, left);
        il.Emit(OpCodes.Ldloc, right);
        il.Emit(least ? OpCodes.Bge_Un : OpCodes.Ble_Un, exit);
        il.Emit(OpCodes.Ldloc, left);
        StoreValue(op.Rd, single);
        il.Emit(OpCodes.Br, done);
        il.MarkLabel(second);
        il.Emit(OpCodes.Ldloc, right);
        StoreValue(op.Rd, single);
        il.MarkLabel(done);
    }

    private void EmitToInteger(in Op op, Label exit)
    {
        bool wide = op.Code is OpCode.FcvtLS or OpCode.FcvtLD;
        LocalBuilder value = locals.Scratch(typeof(double));
        LoadValue(op.Rs1, IsSingle(op.Code), exit);
        il.Emit(OpCodes.Conv_R8);
        il.Emit(OpCodes.Stloc, value);
        // The unordered forms leave for NaN too. -2^63 itself fits, but is not worth a second comparison.
        il.Emit(OpCodes.Ldloc, value);
        il.Emit(OpCodes.Ldc_R8, wide ? -9223372036854775808.0 : -2147483649.0);
        il.Emit(OpCodes.Ble_Un, exit);
        il.Emit(OpCodes.Ldloc, value);
        il.Emit(OpCodes.Ldc_R8, wide ? 9223372036854775808.0 : 2147483648.0);
        il.Emit(OpCodes.Bge_Un, exit);
        LocalBuilder result = locals.Scratch();
        il.Emit(OpCodes.Ldloc, value);
        if (!wide)
        {
            il.Emit(OpCodes.Conv_I4);
        }

        il.Emit(OpCodes.Conv_I8);
        il.Emit(OpCodes.Stloc, result);
        Label right = il.DefineLabel();
        il.Emit(OpCodes.Ldloc, locals.Inexact);
        il.Emit(OpCodes.Brtrue, right);
        il.Emit(OpCodes.Ldloc, result);
        il.Emit(OpCodes.Conv_R8);
        il.Emit(OpCodes.Ldloc, value);
        il.Emit(OpCodes.Bne_Un, exit);
        il.MarkLabel(right);
        il.Emit(OpCodes.Ldloc, result);
        locals.EmitStore(op.Rd);
    }

    private void EmitConversion(in Op op, Func<Label> exit)
    {
        LocalBuilder result;
        switch (op.Code)
        {
            case OpCode.FcvtSD:
                locals.EmitLoadFloat(op.Rs1);
                il.Emit(OpCodes.Conv_R4);
                result = KeepInRange(true, exit());
                EmitUnlessInexact(exit());
                il.Emit(OpCodes.Ldloc, result);
                StoreValue(op.Rd, true);
                break;
            case OpCode.FcvtDS:
                LoadValue(op.Rs1, true, exit());
                il.Emit(OpCodes.Conv_R8);
                result = KeepInRange(false, exit());
                il.Emit(OpCodes.Ldloc, result);
                StoreValue(op.Rd, false);
                break;
            default:
                EmitFromInteger(op, exit);
                break;
        }
    }

    private void EmitFromInteger(in Op op, Func<Label> exit)
    {
        bool isExact = op.Code is OpCode.FcvtDW or OpCode.FcvtDWu;
        if (!isExact)
        {
            EmitUnlessInexact(exit());
        }

        locals.EmitLoad(op.Rs1);
        if (op.Code is OpCode.FcvtDW or OpCode.FcvtSW)
        {
            il.Emit(OpCodes.Conv_I4);
        }
        else if (op.Code is OpCode.FcvtDWu or OpCode.FcvtSWu)
        {
            il.Emit(OpCodes.Conv_U4);
            il.Emit(OpCodes.Conv_U8);
        }

        il.Emit(OpCodes.Conv_R8);
        if (IsSingle(op.Code))
        {
            // By way of a double, which holds every 32-bit integer exactly.
            il.Emit(OpCodes.Conv_R4);
        }

        StoreValue(op.Rd, IsSingle(op.Code));
    }

    private void EmitMove(in Op op)
    {
        switch (op.Code)
        {
            case OpCode.FmvXD:
                locals.EmitLoadFloatBits(op.Rs1);
                locals.EmitStore(op.Rd);
                break;
            case OpCode.FmvXW:
                locals.EmitLoadFloatBits(op.Rs1);
                il.Emit(OpCodes.Conv_I4);
                il.Emit(OpCodes.Conv_I8);
                locals.EmitStore(op.Rd);
                break;
            case OpCode.FmvDX:
                locals.EmitLoad(op.Rs1);
                il.Emit(OpCodes.Call, FromDoubleBits);
                locals.EmitStoreFloat(op.Rd);
                break;
            default:
                locals.EmitLoad(op.Rs1);
                il.Emit(OpCodes.Conv_U4);
                locals.EmitBox();
                locals.EmitStoreFloat(op.Rd);
                break;
        }
    }

    private void EmitCompare(in Op op, Label exit)
    {
        bool single = IsSingle(op.Code);
        int kind = op.Code - (single ? OpCode.FeqS : OpCode.FeqD);
        LoadPair(op, single, exit, out LocalBuilder left, out LocalBuilder right);
        foreach (LocalBuilder value in new[] { left, right })
        {
            il.Emit(OpCodes.Ldloc, value);
            il.Emit(OpCodes.Ldloc, value);
            il.Emit(OpCodes.Bne_Un, exit);
        }

        // fle is "not greater" once NaN is excluded.
        bool swap = kind == 2;
        il.Emit(OpCodes.Ldloc, swap ? right : left);
        il.Emit(OpCodes.Ldloc, swap ? left : right);
        il.Emit(kind == 0 ? OpCodes.Ceq : OpCodes.Clt);
        if (swap)
        {
            il.Emit(OpCodes.Ldc_I4_0);
            il.Emit(OpCodes.Ceq);
        }

        il.Emit(OpCodes.Conv_U8);
        locals.EmitStore(op.Rd);
    }
}
