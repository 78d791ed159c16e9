using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>The M extension.</summary>
internal static unsafe class MultiplyHandlers
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Mul(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] * c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Mulh(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)Math.BigMul((long)c->X[op->Rs1], (long)c->X[op->Rs2], out _);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Mulhsu(Op* op, HartContext* c)
    {
        c->X[op->Rd] = Division.MultiplyHighSignedUnsigned(c->X[op->Rs1], c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Mulhu(Op* op, HartContext* c)
    {
        c->X[op->Rd] = Math.BigMul(c->X[op->Rs1], c->X[op->Rs2], out _);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Div(Op* op, HartContext* c)
    {
        c->X[op->Rd] = Division.Divide(c->X[op->Rs1], c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Divu(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs2] == 0 ? ulong.MaxValue : c->X[op->Rs1] / c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Rem(Op* op, HartContext* c)
    {
        c->X[op->Rd] = Division.Remainder(c->X[op->Rs1], c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Remu(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs2] == 0 ? c->X[op->Rs1] : c->X[op->Rs1] % c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Mulw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((int)c->X[op->Rs1] * (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Divw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = Division.DivideWord((int)c->X[op->Rs1], (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Divuw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = Division.DivideUnsignedWord((uint)c->X[op->Rs1], (uint)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Remw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = Division.RemainderWord((int)c->X[op->Rs1], (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Remuw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = Division.RemainderUnsignedWord((uint)c->X[op->Rs1], (uint)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }
}
