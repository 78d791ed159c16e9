using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Cpu.Float;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>
/// Loads and stores that hit the software TLB within one page, aligned or not. Everything else (miss, page crossing,
/// device, first store to a clean page, fault) leaves the block at this record and is done by <see cref="SlowPath"/>.
/// </summary>
internal static unsafe class MemoryHandlers
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Lb(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 1))
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = (ulong)*(sbyte*)(address + entry->Addend);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Lh(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 2))
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = (ulong)*(short*)(address + entry->Addend);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Lw(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 4))
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = (ulong)*(int*)(address + entry->Addend);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Ld(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 8))
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = *(ulong*)(address + entry->Addend);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Lbu(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 1))
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = *(byte*)(address + entry->Addend);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Lhu(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 2))
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = *(ushort*)(address + entry->Addend);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Lwu(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 4))
        {
            c->ExitOp = op;
            return null;
        }

        c->X[op->Rd] = *(uint*)(address + entry->Addend);
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sb(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->WriteTlb, address);
        if (entry->Tag != Mmu.Tag(address, 1))
        {
            c->ExitOp = op;
            return null;
        }

        *(byte*)(address + entry->Addend) = (byte)c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sh(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->WriteTlb, address);
        if (entry->Tag != Mmu.Tag(address, 2))
        {
            c->ExitOp = op;
            return null;
        }

        *(ushort*)(address + entry->Addend) = (ushort)c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sw(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->WriteTlb, address);
        if (entry->Tag != Mmu.Tag(address, 4))
        {
            c->ExitOp = op;
            return null;
        }

        *(uint*)(address + entry->Addend) = (uint)c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Sd(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->WriteTlb, address);
        if (entry->Tag != Mmu.Tag(address, 8))
        {
            c->ExitOp = op;
            return null;
        }

        *(ulong*)(address + entry->Addend) = c->X[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Flw(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 4) || c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = FloatFormat.Box(*(uint*)(address + entry->Addend));
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Fld(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->ReadTlb, address);
        if (entry->Tag != Mmu.Tag(address, 8) || c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        c->F[op->Rd] = *(ulong*)(address + entry->Addend);
        c->Fs = 3;
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Fsw(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->WriteTlb, address);
        if (entry->Tag != Mmu.Tag(address, 4) || c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        *(uint*)(address + entry->Addend) = (uint)c->F[op->Rs2];
        return op[1].Handler(op + 1, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static CodeBlock* Fsd(Op* op, HartContext* c)
    {
        ulong address = c->X[op->Rs1] + (ulong)(long)op->Imm;
        TlbEntry* entry = Mmu.Probe(c->WriteTlb, address);
        if (entry->Tag != Mmu.Tag(address, 8) || c->Fs == 0)
        {
            c->ExitOp = op;
            return null;
        }

        *(ulong*)(address + entry->Addend) = c->F[op->Rs2];
        return op[1].Handler(op + 1, c);
    }
}
