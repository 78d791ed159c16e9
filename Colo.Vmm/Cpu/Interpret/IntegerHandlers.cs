using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>
/// RV64I computation. Each handler ends in a call of the next record's handler, which the just-in-time compiler turns
/// into a jump because the methods are always optimised; a block's length bounds the depth even if it did not.
/// </summary>
internal static unsafe class IntegerHandlers
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Nop(Op* op, HartContext* c)
    {
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Lui(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)(long)op->Imm;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Auipc(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->Pc + ((ulong)op->Rs1 << 1) + (ulong)(long)op->Imm;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Mv(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Addi(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] + (ulong)(long)op->Imm;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Slti(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (long)c->X[op->Rs1] < op->Imm ? 1UL : 0;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sltiu(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] < (ulong)(long)op->Imm ? 1UL : 0;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Xori(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] ^ (ulong)(long)op->Imm;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Ori(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] | (ulong)(long)op->Imm;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Andi(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] & (ulong)(long)op->Imm;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Slli(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] << op->Imm;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Srli(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] >> op->Imm;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Srai(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((long)c->X[op->Rs1] >> op->Imm);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Addiw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((int)c->X[op->Rs1] + op->Imm);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Slliw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((int)c->X[op->Rs1] << op->Imm);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Srliw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)(int)((uint)c->X[op->Rs1] >> op->Imm);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sraiw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((int)c->X[op->Rs1] >> op->Imm);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Add(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] + c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sub(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] - c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sll(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] << (int)c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Slt(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (long)c->X[op->Rs1] < (long)c->X[op->Rs2] ? 1UL : 0;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sltu(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] < c->X[op->Rs2] ? 1UL : 0;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Xor(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] ^ c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Srl(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] >> (int)c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sra(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((long)c->X[op->Rs1] >> (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Or(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] | c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* And(Op* op, HartContext* c)
    {
        c->X[op->Rd] = c->X[op->Rs1] & c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Addw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((int)c->X[op->Rs1] + (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Subw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((int)c->X[op->Rs1] - (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sllw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((int)c->X[op->Rs1] << (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Srlw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)(int)((uint)c->X[op->Rs1] >> (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sraw(Op* op, HartContext* c)
    {
        c->X[op->Rd] = (ulong)((int)c->X[op->Rs1] >> (int)c->X[op->Rs2]);
        return op[1].Handler(op + 1, c);
    }
}
