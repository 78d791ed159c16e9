using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Cpu.Float;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>
/// F and D arithmetic: on the host's FPU where that is exact, through <see cref="FloatUnit"/> elsewhere. Each handler
/// ends by calling the next record's in tail position, which the just-in-time compiler makes a jump; an end shared by
/// all would be a call from a method of its own. Hence the likeness.
/// </summary>
internal static unsafe class FloatArithmeticHandlers
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FaddD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        if (!IsNearestEven(op, c) || !FastFloat.AddDouble(x, y, ref c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FaddS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        float y = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs2]));
        if (!IsNearestEven(op, c) || !FastFloat.AddSingle(x, y, ref c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FsubD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        if (!IsNearestEven(op, c) || !FastFloat.AddDouble(x, -y, ref c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FsubS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        float y = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs2]));
        if (!IsNearestEven(op, c) || !FastFloat.AddSingle(x, -y, ref c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmulD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyDouble(x, y, ref c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmulS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        float y = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs2]));
        if (!IsNearestEven(op, c) || !FastFloat.MultiplySingle(x, y, ref c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FdivD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        if (!IsNearestEven(op, c) || !FastFloat.DivideDouble(x, y, ref c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FdivS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        float y = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs2]));
        if (!IsNearestEven(op, c) || !FastFloat.DivideSingle(x, y, ref c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FsqrtD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        if (!IsNearestEven(op, c) || !FastFloat.SquareRootDouble(x, ref c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FsqrtS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        if (!IsNearestEven(op, c) || !FastFloat.SquareRootSingle(x, ref c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmaddD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        double z = BitConverter.UInt64BitsToDouble(c->F[op->Imm >> 8 & 31]);
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyAddDouble(x, y, z, c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmaddS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        float y = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs2]));
        float z = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Imm >> 8 & 31]));
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyAddSingle(x, y, z, c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmsubD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        double z = BitConverter.UInt64BitsToDouble(c->F[op->Imm >> 8 & 31]);
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyAddDouble(x, y, -z, c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmsubS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        float y = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs2]));
        float z = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Imm >> 8 & 31]));
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyAddSingle(x, y, -z, c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FnmsubD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        double z = BitConverter.UInt64BitsToDouble(c->F[op->Imm >> 8 & 31]);
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyAddDouble(-x, y, z, c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FnmsubS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        float y = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs2]));
        float z = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Imm >> 8 & 31]));
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyAddSingle(-x, y, z, c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FnmaddD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        double z = BitConverter.UInt64BitsToDouble(c->F[op->Imm >> 8 & 31]);
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyAddDouble(-x, y, -z, c->Fflags, out double result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits(result);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FnmaddS(Op* op, HartContext* c)
    {
        float x = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs1]));
        float y = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Rs2]));
        float z = BitConverter.UInt32BitsToSingle(FloatFormat.Unbox(c->F[op->Imm >> 8 & 31]));
        if (!IsNearestEven(op, c) || !FastFloat.MultiplyAddSingle(-x, y, -z, c->Fflags, out float result))
        {
            return Compute(op, c);
        }

        c->F[op->Rd] = FloatFormat.Box(BitConverter.SingleToUInt32Bits(result));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    /// <summary>The exact path; leaves the block for an illegal instruction when the FPU is off or the mode
    /// reserved.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Compute(Op* op, HartContext* c)
    {
        if (c->Fs == 0 || !FloatUnit.Execute(op, c))
        {
            c->ExitOp = op;
            return null;
        }

        return op[1].Handler(op + 1, c);
    }

    /// <summary>FPU on and rounding to nearest even, static or dynamic.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsNearestEven(Op* op, HartContext* c)
    {
        int rm = op->Imm & 7;
        return (rm == 0 || (rm == 7 && c->Frm == 0)) && c->Fs != 0;
    }
}
