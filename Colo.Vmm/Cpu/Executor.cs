using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Compiled;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Cpu.Interpret;

namespace Colo.Vmm.Cpu;

/// <summary>
/// The dispatch loop: finds the block at pc, runs it, follows its link or looks the next one up, and does what
/// handlers left. The pending word is looked at between blocks; a block has at most 64 instructions, which bounds how
/// late a stop or an interrupt is noticed. The count of retired instructions is exact whenever control leaves a block.
/// </summary>
internal sealed unsafe class Executor(
    HartContext* context, Mmu mmu, CsrFile csrs, TrapUnit traps, CodeCache code, SlowPath slow)
{
    /// <summary>Traps in a row without a retired instruction after which Run returns, so that its owner stays in
    /// control.</summary>
    private const int TrapStormMax = 10_000;

    private const HartStop GoOn = 0;

    private int _trapsInARow;

    /// <summary>The compiling tier, or null.</summary>
    public CompiledTier? Tier { get; set; }

    public HartStop Run(long budget)
    {
        // Before the first look at what is pending: whoever finds this 0 after asking knows that it will be seen.
        Interlocked.Exchange(ref context->Running, 1);
        HartStop stop = RunUntilStop(budget);
        Volatile.Write(ref context->Running, 0);
        return stop;
    }

    /// <summary>Does what other harts have asked for. On the hart's thread, between instructions.</summary>
    public void ServeFences()
    {
        int asked = Volatile.Read(ref context->FencesAsked);
        if (asked == context->FencesDone)
        {
            return;
        }

        HartFence kinds = (HartFence)Interlocked.Exchange(ref context->FenceKinds, 0);
        if ((kinds & HartFence.Translations) != 0)
        {
            mmu.FlushAll();
            code.FlushJumps();
        }
        else if ((kinds & HartFence.Writes) != 0)
        {
            mmu.FlushWrites();
        }

        if ((kinds & HartFence.Code) != 0)
        {
            code.DropWritten();
        }

        Volatile.Write(ref context->FencesDone, asked);
    }

    private HartStop RunUntilStop(long budget)
    {
        HartContext* c = context;
        ulong retired = c->InstructionsRetired;
        c->Remaining = Math.Max(budget, 0);
        c->RetiredLimit = retired + (ulong)c->Remaining;
        _trapsInARow = 0;
        csrs.UpdateTimer();
        csrs.Attend();
        while (true)
        {
            HartStop stop = Volatile.Read(ref c->Pending) != 0 ? Attend(c) : GoOn;
            if (stop == GoOn)
            {
                stop = c->Remaining > 0 ? RunFromPc(c) : HartStop.Budget;
            }

            if (stop != GoOn)
            {
                return stop;
            }
        }
    }

    /// <summary>Does what others asked for: drops stale code, reads the timer, stops, takes an interrupt.</summary>
    private HartStop Attend(HartContext* c)
    {
        int pending = Interlocked.Exchange(ref c->Pending, 0);
        if ((pending & HartContext.PendingFence) != 0)
        {
            ServeFences();
        }

        if ((pending & HartContext.PendingCode) != 0)
        {
            code.DropWritten();
            Tier?.InstallFinished();
        }

        if ((pending & HartContext.PendingTimer) != 0)
        {
            csrs.UpdateTimer();
        }

        if ((pending & HartContext.PendingStop) != 0)
        {
            return c->Cold.Halted != 0 ? HartStop.Halted : HartStop.Interrupted;
        }

        _ = traps.TakeInterrupt();
        return GoOn;
    }

    /// <summary>Runs blocks until something other than plain code has to be done.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private HartStop RunFromPc(HartContext* c)
    {
        CodeBlock* block = code.Probe(c->Pc ^ c->ModeKey);
        if (block == null)
        {
            block = code.Find(c->Pc);
            if (block == null)
            {
                return FetchFault();
            }
        }

        while (true)
        {
            if (block->Region == 0 && --block->Heat == 0)
            {
                Tier?.BlockIsHot(block);
            }

            if (block->Region != 0 && Tier!.Enter(block, c))
            {
                if (Volatile.Read(ref c->Pending) != 0 || c->Remaining <= 0)
                {
                    return GoOn;
                }

                block = code.Probe(c->Pc ^ c->ModeKey);
                if (block == null)
                {
                    return GoOn;
                }

                continue;
            }

            if (c->Remaining < block->Count)
            {
                block = code.BuildStep(c->Pc);
                if (block == null)
                {
                    return FetchFault();
                }
            }

            c->Remaining -= block->Count;
            CodeBlock* next = block->Ops->Handler(block->Ops, c);
            while (next == null && c->ExitOp != null)
            {
                SlowResult result = FinishExit(c, block, out next);
                if (result != SlowResult.Next)
                {
                    return result == SlowResult.Wait ? HartStop.WaitForInterrupt : StormCheck(result);
                }
            }

            if (Volatile.Read(ref c->Pending) != 0)
            {
                return GoOn;
            }

            if (next == null)
            {
                next = code.Probe(c->Pc ^ c->ModeKey);
                if (next == null)
                {
                    next = FindAndLink(c, block);
                    if (next == null)
                    {
                        return c->Remaining > 0 ? FetchFault() : GoOn;
                    }
                }
                else if (c->LinkSlot != null)
                {
                    block->Link(c->LinkSlot, next);
                }
            }

            block = next;
            if (c->Remaining <= 0)
            {
                return GoOn;
            }
        }
    }

    private CodeBlock* FindAndLink(HartContext* c, CodeBlock* from)
    {
        if (c->Remaining <= 0)
        {
            // The budget ends here; a fetch fault of the next instruction belongs to the next run.
            return null;
        }

        int drops = code.DropCount;
        CodeBlock** slot = c->LinkSlot;
        CodeBlock* next = code.Find(c->Pc);
        if (next != null && slot != null && code.DropCount == drops)
        {
            from->Link(slot, next);
        }

        return next;
    }

    /// <summary>
    /// Executes the record that a handler left and, when nothing forbids it, goes on behind it in the same block. With
    /// Next the block has run to its end or to the next exit; otherwise pc is exact and the caller starts over.
    /// </summary>
    private SlowResult FinishExit(HartContext* c, CodeBlock* block, out CodeBlock* next)
    {
        next = null;
        Op* op = c->ExitOp;
        c->ExitOp = null;
        int index = (int)(op - block->Ops);
        ulong blockPc = c->Pc;
        c->Pc = blockPc + ((ulong)block->HalfOffsets[index] << 1);
        c->Remaining += block->Count - index;
        SlowResult result = slow.Execute(op, block, index);
        if (result == SlowResult.Trapped)
        {
            return result;
        }

        c->Remaining--;
        if (result != SlowResult.Next)
        {
            return result;
        }

        int rest = block->Count - index - 1;
        if (Volatile.Read(ref c->Pending) != 0 || c->Remaining < rest)
        {
            c->Pc = blockPc + ((ulong)block->HalfOffsets[index + 1] << 1);
            return SlowResult.Left;
        }

        c->Remaining -= rest;
        c->Pc = blockPc;
        next = op[1].Handler(op + 1, c);
        return SlowResult.Next;
    }

    private HartStop FetchFault()
    {
        traps.Raise(mmu.FaultCause, mmu.FaultValue);
        return StormCheck(SlowResult.Trapped);
    }

    /// <summary>A guest that traps for ever without retiring anything must not keep its owner waiting.</summary>
    private HartStop StormCheck(SlowResult result)
    {
        _trapsInARow = result == SlowResult.Trapped ? _trapsInARow + 1 : 0;
        return _trapsInARow > TrapStormMax ? HartStop.Budget : GoOn;
    }
}
