using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Cpu.Float;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>F and D operations that need no rounding, and the table of all of them.</summary>
internal static unsafe class FloatHandlers
{
    public static void Fill(delegate*<Op*, HartContext*, CodeBlock*>* table)
    {
        for (int code = (int)OpCode.FmaddS; code <= (int)OpCode.FmvDX; code++)
        {
            table[code] = &FloatArithmeticHandlers.Compute;
        }

        table[(int)OpCode.FaddS] = &FloatArithmeticHandlers.FaddS;
        table[(int)OpCode.FaddD] = &FloatArithmeticHandlers.FaddD;
        table[(int)OpCode.FsubS] = &FloatArithmeticHandlers.FsubS;
        table[(int)OpCode.FsubD] = &FloatArithmeticHandlers.FsubD;
        table[(int)OpCode.FmulS] = &FloatArithmeticHandlers.FmulS;
        table[(int)OpCode.FmulD] = &FloatArithmeticHandlers.FmulD;
        table[(int)OpCode.FdivS] = &FloatArithmeticHandlers.FdivS;
        table[(int)OpCode.FdivD] = &FloatArithmeticHandlers.FdivD;
        table[(int)OpCode.FsqrtS] = &FloatArithmeticHandlers.FsqrtS;
        table[(int)OpCode.FsqrtD] = &FloatArithmeticHandlers.FsqrtD;
        table[(int)OpCode.FmaddS] = &FloatArithmeticHandlers.FmaddS;
        table[(int)OpCode.FmaddD] = &FloatArithmeticHandlers.FmaddD;
        table[(int)OpCode.FmsubS] = &FloatArithmeticHandlers.FmsubS;
        table[(int)OpCode.FmsubD] = &FloatArithmeticHandlers.FmsubD;
        table[(int)OpCode.FnmsubS] = &FloatArithmeticHandlers.FnmsubS;
        table[(int)OpCode.FnmsubD] = &FloatArithmeticHandlers.FnmsubD;
        table[(int)OpCode.FnmaddS] = &FloatArithmeticHandlers.FnmaddS;
        table[(int)OpCode.FnmaddD] = &FloatArithmeticHandlers.FnmaddD;
        table[(int)OpCode.FmvDX] = &FmvDX;
        table[(int)OpCode.FmvWX] = &FmvWX;
        table[(int)OpCode.FmvXD] = &FmvXD;
        table[(int)OpCode.FmvXW] = &FmvXW;
        table[(int)OpCode.FsgnjD] = &FsgnjD;
        table[(int)OpCode.FsgnjnD] = &FsgnjnD;
        table[(int)OpCode.FsgnjxD] = &FsgnjxD;
        table[(int)OpCode.FcvtDW] = &FcvtDW;
        table[(int)OpCode.FcvtDWu] = &FcvtDWu;
        table[(int)OpCode.FeqD] = &FeqD;
        table[(int)OpCode.FltD] = &FltD;
        table[(int)OpCode.FleD] = &FleD;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmvDX(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = c->X[op->Rs1];
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmvWX(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = FloatFormat.Box((uint)c->X[op->Rs1]);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmvXD(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = c->F[op->Rs1];
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FmvXW(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = (ulong)(int)c->F[op->Rs1];
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FsgnjD(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = c->F[op->Rs1] & ~0x8000_0000_0000_0000 | c->F[op->Rs2] & 0x8000_0000_0000_0000;
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FsgnjnD(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = c->F[op->Rs1] & ~0x8000_0000_0000_0000 | ~c->F[op->Rs2] & 0x8000_0000_0000_0000;
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FsgnjxD(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = c->F[op->Rs1] ^ c->F[op->Rs2] & 0x8000_0000_0000_0000;
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FcvtDW(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits((int)c->X[op->Rs1]);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FcvtDWu(Op* op, HartContext* c)
    {
        if (c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = BitConverter.DoubleToUInt64Bits((uint)c->X[op->Rs1]);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FeqD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        if (c->Fs == 0 || double.IsNaN(x) || double.IsNaN(y))
        {
            return Compute(op, c);
        }

        c->X[op->Rd] = x == y ? 1UL : 0;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FltD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        if (c->Fs == 0 || double.IsNaN(x) || double.IsNaN(y))
        {
            return Compute(op, c);
        }

        c->X[op->Rd] = x < y ? 1UL : 0;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* FleD(Op* op, HartContext* c)
    {
        double x = BitConverter.UInt64BitsToDouble(c->F[op->Rs1]);
        double y = BitConverter.UInt64BitsToDouble(c->F[op->Rs2]);
        if (c->Fs == 0 || double.IsNaN(x) || double.IsNaN(y))
        {
            return Compute(op, c);
        }

        c->X[op->Rd] = x <= y ? 1UL : 0;
        return op[1].Handler(op + 1, c);
    }

    private static CodeBlock* Compute(Op* op, HartContext* c) => FloatArithmeticHandlers.Compute(op, c);
}
