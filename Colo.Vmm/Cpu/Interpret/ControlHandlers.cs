using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>
/// Records that end a block, and the one that leaves it in the middle. They return the next block when it is linked
/// already, else null with the pc set. The pc of a block's first instruction is the base of all distances.
/// </summary>
internal static unsafe class ControlHandlers
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Beq(Op* op, HartContext* c) => Branch(op, c, c->X[op->Rs1] == c->X[op->Rs2]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Bne(Op* op, HartContext* c) => Branch(op, c, c->X[op->Rs1] != c->X[op->Rs2]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Blt(Op* op, HartContext* c) => Branch(op, c, (long)c->X[op->Rs1] < (long)c->X[op->Rs2]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Bge(Op* op, HartContext* c) => Branch(op, c, (long)c->X[op->Rs1] >= (long)c->X[op->Rs2]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Bltu(Op* op, HartContext* c) => Branch(op, c, c->X[op->Rs1] < c->X[op->Rs2]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Bgeu(Op* op, HartContext* c) => Branch(op, c, c->X[op->Rs1] >= c->X[op->Rs2]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* J(Op* op, HartContext* c)
    {
        BlockLinks* links = (BlockLinks*)(op + 1);
        c->Pc += (ulong)(long)op->Imm;
        c->LinkSlot = &links->Taken;
        return links->Taken;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Jal(Op* op, HartContext* c)
    {
        BlockLinks* links = (BlockLinks*)(op + 1);
        c->X[op->Rd] = c->Pc + ((ulong)op->Rs1 << 1);
        c->Pc += (ulong)(long)op->Imm;
        c->LinkSlot = &links->Taken;
        return links->Taken;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Jalr(Op* op, HartContext* c)
    {
        ulong target = (c->X[op->Rs1] + (ulong)(long)op->Imm) & ~1UL;
        c->X[op->Rd] = c->Pc + ((ulong)op->Rs2 << 1);
        c->Pc = target;
        c->LinkSlot = null;
        return null;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* End(Op* op, HartContext* c)
    {
        BlockLinks* links = (BlockLinks*)(op + 1);
        c->Pc += (ulong)op->Rd << 1;
        c->LinkSlot = &links->NotTaken;
        return links->NotTaken;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Exit(Op* op, HartContext* c)
    {
        c->ExitOp = op;
        return null;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Fence(Op* op, HartContext* c)
    {
        Interlocked.MemoryBarrier();
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static CodeBlock* Branch(Op* op, HartContext* c, bool isTaken)
    {
        BlockLinks* links = (BlockLinks*)(op + 1);
        if (isTaken)
        {
            c->Pc += (ulong)(long)op->Imm;
            c->LinkSlot = &links->Taken;
            return links->Taken;
        }

        c->Pc += (ulong)op->Rd << 1;
        c->LinkSlot = &links->NotTaken;
        return links->NotTaken;
    }
}
