using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Cpu.Float;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>
/// Executes one instruction that its handler left: TLB misses, devices, page crossings, faults, atomics, illegal
/// instructions. On entry pc is the address of the instruction. CSR and privileged instructions are in
/// <see cref="SystemInstructions"/>.
/// </summary>
internal sealed unsafe class SlowPath(
    HartContext* context, GuestRam ram, Mmu mmu, TrapUnit traps, SystemInstructions system)
{
    /// <summary>Executes the record's instruction; its length in bytes is needed to go on behind it.</summary>
    public SlowResult Execute(Op* op, CodeBlock* block, int index)
    {
        switch (op->Code)
        {
            case >= OpCode.Lb and <= OpCode.Lwu:
                return Load(op);
            case >= OpCode.Sb and <= OpCode.Sd:
                return Store(op, context->X[op->Rs2], 1 << (op->Code - OpCode.Sb));
            case OpCode.Flw or OpCode.Fld when context->Fs != 0:
                return LoadFloat(op);
            case OpCode.Fsw or OpCode.Fsd when context->Fs != 0:
                return Store(op, context->F[op->Rs2], op->Code == OpCode.Fsw ? 4 : 8);
            case >= OpCode.LrW and <= OpCode.AmoMaxuD:
                return Atomic(op);
            case OpCode.System:
                SlowResult result = system.Execute((uint)op->Imm, Length(block, index));
                return result == SlowResult.Trapped && system.WasIllegal ? Illegal(block, index) : result;
            default:
                return Illegal(block, index);
        }
    }

    private static int Length(CodeBlock* block, int index) =>
        (block->HalfOffsets[index + 1] - block->HalfOffsets[index]) * 2;

    /// <summary>mtval shows the instruction's own bits, so they are read again.</summary>
    private SlowResult Illegal(CodeBlock* block, int index)
    {
        int offset = block->Offset + block->HalfOffsets[index] * 2;
        ulong raw = *(ushort*)(ram.HostPage(block->Page) + offset);
        if (Length(block, index) == 4)
        {
            byte* second = offset + 2 == GuestRam.PageSize
                ? ram.HostPage(block->SecondPage)
                : ram.HostPage(block->Page) + offset + 2;
            raw |= (ulong)*(ushort*)second << 16;
        }

        traps.Raise(TrapCause.IllegalInstruction, raw);
        return SlowResult.Trapped;
    }

    private SlowResult Load(Op* op)
    {
        int size = op->Code switch
        {
            OpCode.Lb or OpCode.Lbu => 1,
            OpCode.Lh or OpCode.Lhu => 2,
            OpCode.Lw or OpCode.Lwu => 4,
            _ => 8,
        };
        if (!mmu.Load(context->X[op->Rs1] + (ulong)(long)op->Imm, size, out ulong value))
        {
            return MemoryFault();
        }

        context->X[op->Rd] = op->Code switch
        {
            OpCode.Lb => (ulong)(sbyte)value,
            OpCode.Lh => (ulong)(short)value,
            OpCode.Lw => (ulong)(int)value,
            _ => value,
        };
        return SlowResult.Next;
    }

    private SlowResult LoadFloat(Op* op)
    {
        bool single = op->Code == OpCode.Flw;
        if (!mmu.Load(context->X[op->Rs1] + (ulong)(long)op->Imm, single ? 4 : 8, out ulong value))
        {
            return MemoryFault();
        }

        context->F[op->Rd] = single ? FloatFormat.Box((uint)value) : value;
        context->Fs = 3;
        return SlowResult.Next;
    }

    private SlowResult Store(Op* op, ulong value, int size) =>
        mmu.Store(context->X[op->Rs1] + (ulong)(long)op->Imm, size, value) ? SlowResult.Next : MemoryFault();

    private SlowResult MemoryFault()
    {
        traps.Raise(mmu.FaultCause, mmu.FaultValue);
        return SlowResult.Trapped;
    }

    private SlowResult Atomic(Op* op)
    {
        ulong address = context->X[op->Rs1];
        bool wide = op->Code is OpCode.LrD or OpCode.ScD or >= OpCode.AmoSwapD;
        int size = wide ? 8 : 4;
        bool isLoad = op->Code is OpCode.LrW or OpCode.LrD;
        if ((address & (ulong)(size - 1)) != 0)
        {
            traps.Raise(isLoad ? TrapCause.LoadMisaligned : TrapCause.StoreMisaligned, address);
            return SlowResult.Trapped;
        }

        if (isLoad)
        {
            return LoadReserved(op, address, size);
        }

        byte* host = mmu.WritePointer(address, size);
        if (host == null)
        {
            return MemoryFault();
        }

        if (op->Code is OpCode.ScW or OpCode.ScD)
        {
            context->X[op->Rd] = StoreConditional(host, size, context->X[op->Rs2]) ? 0UL : 1;
            return SlowResult.Next;
        }

        context->X[op->Rd] = wide
            ? AtomicOperations.Apply64(op->Code, ref *(long*)host, (long)context->X[op->Rs2])
            : AtomicOperations.Apply32(op->Code, ref *(int*)host, (int)context->X[op->Rs2]);
        return SlowResult.Next;
    }

    private SlowResult LoadReserved(Op* op, ulong address, int size)
    {
        if (!mmu.Resolve(address, size, AccessKind.Read, out ulong physical, out _))
        {
            return MemoryFault();
        }

        if (!ram.Covers(physical, size))
        {
            traps.Raise(TrapCause.LoadAccess, address);
            return SlowResult.Trapped;
        }

        byte* host = ram.Host + (physical - ram.BaseAddress);
        ulong value = size == 8 ? Volatile.Read(ref *(ulong*)host) : (ulong)Volatile.Read(ref *(int*)host);
        context->Cold.ReservationAddress = physical;
        context->Cold.ReservationValue = value;
        context->X[op->Rd] = value;
        return SlowResult.Next;
    }

    /// <summary>
    /// Succeeds when the reservation is for this address and the word still holds what LR read. That another hart
    /// wrote the same value in between cannot be seen by software that uses the pair for mutual exclusion or counting.
    /// </summary>
    private bool StoreConditional(byte* host, int size, ulong value)
    {
        ulong physical = (ulong)(host - ram.Host) + ram.BaseAddress;
        bool held = context->Cold.ReservationAddress == physical;
        ulong expected = context->Cold.ReservationValue;
        context->Cold.ReservationAddress = ulong.MaxValue;
        if (!held)
        {
            return false;
        }

        return size == 8
            ? Interlocked.CompareExchange(ref *(ulong*)host, value, expected) == expected
            : Interlocked.CompareExchange(ref *(uint*)host, (uint)value, (uint)expected) == (uint)expected;
    }
}
