using System.Diagnostics;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using OpCode = Colo.Vmm.Cpu.Decode.OpCode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// Turns a region into IL: guest registers are locals, loaded at the start and stored at the one common exit; there is
/// no call on the fast path. Whatever is rare leaves by a side exit that knows its pc and how many instructions of its
/// block were not executed, so state is exact at every exit.
///
/// Instructions are counted once a block, down from a share of the budget. A backward jump compares what is left of the
/// share with what any forward path can execute; when it is used up, the pending word is read (volatile, or RyuJIT
/// would hoist it and the loop could not be stopped) and the next share is taken. The share bounds how late the hart
/// looks.
///
/// A forward branch over a few arithmetic instructions that is taken now and then is not compiled as a branch, which
/// the host would often predict wrongly: both outcomes are computed and one is selected.
/// </summary>
internal sealed class RegionCompiler
{
    /// <summary>Instructions between two looks at what is pending: some microseconds.</summary>
    private const int Share = 4096;

    /// <summary>Instructions that a branch may skip and yet be compiled as a selection.</summary>
    private const int SelectMax = 3;

    /// <summary>A branch that goes one way less often than this is left to the host's prediction.</summary>
    private const double SelectShareMin = 0.1;

    private static readonly int PcOffset = ContextField.Offset(nameof(HartContext.Pc));
    private static readonly int PendingOffset = ContextField.Offset(nameof(HartContext.Pending));
    private static readonly int RemainingOffset = ContextField.Offset(nameof(HartContext.Remaining));
    private static readonly int ExitOffset = ContextField.Offset(nameof(HartContext.RegionExit));

    private readonly Region _region;
    private readonly ILGenerator _il;
    private readonly RegionLocals _locals;
    private readonly OpCompiler _ops;
    private readonly Dictionary<int, Label> _labels = [];
    private readonly ExitCompiler _exits;
    private readonly Dictionary<int, Label> _renewals = [];

    private RegionCompiler(Region region, ILGenerator il, CompileChoices choices)
    {
        _region = region;
        _il = il;
        _locals = new RegionLocals(il, region);
        _ops = new OpCompiler(il, _locals, choices);
        _exits = new ExitCompiler(il, _locals, choices.Number);
        foreach (RegionBlock block in region.Blocks)
        {
            _labels[block.Offset] = il.DefineLabel();
        }
    }

    /// <summary>Compiles to machine code at once, on the caller's thread: 20 to 40 microseconds an
    /// instruction.</summary>
    public static (RegionDelegate Code, nint Entry) Compile(Region region, CompileChoices choices)
    {
        DynamicMethod method = new(
            "Region", typeof(void), ExitCompiler.Parameters, typeof(RegionCompiler).Module, true)
        {
            InitLocals = false,
        };
        new RegionCompiler(region, method.GetILGenerator(), choices).Emit();
        RegionDelegate code = method.CreateDelegate<RegionDelegate>();
        // Otherwise the first call compiles, and that is the hart's.
        RuntimeHelpers.PrepareDelegate(code);
        return (code, MethodHandle(method).GetFunctionPointer());
    }

    /// <summary>The public way to a dynamic method is its delegate; a jump from region to region needs the code's
    /// address.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "GetMethodDescriptor")]
    private static extern RuntimeMethodHandle MethodHandle(DynamicMethod method);

    private void Emit()
    {
        EmitEntry();
        for (int i = 0; i < _region.Blocks.Count; i++)
        {
            RegionBlock block = _region.Blocks[i];
            int following = i + 1 < _region.Blocks.Count ? _region.Blocks[i + 1].Offset : -1;
            EmitBlock(block, following);
        }

        foreach ((int target, Label label) in _renewals)
        {
            _il.MarkLabel(label);
            EmitRenewal(target);
        }

        _exits.Emit(EmitRest);
    }

    private void EmitEntry()
    {
        _locals.EmitLoad();
        _il.EmitPlace(RemainingOffset);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Stloc, _locals.Outer);
        _il.EmitPlace(PcOffset);
        _il.Emit(OpCodes.Ldind_I8);
        // base = pc without the offset in the page.
        _il.Emit(OpCodes.Ldc_I8, -4096L);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Stloc, _locals.Base);
        _il.Emit(OpCodes.Ldloc, _locals.Outer);
        _il.Emit(OpCodes.Ldc_I8, (long)_region.InstructionCount);
        Label noBudget = _il.DefineLabel();
        Label noFloat = _il.DefineLabel();
        Label enter = _il.DefineLabel();
        _il.Emit(OpCodes.Blt, noBudget);
        LoadPending();
        _il.Emit(OpCodes.Brtrue, noBudget);
        EmitShare();
        _locals.EmitFloatGuard(noFloat);
        _il.Emit(OpCodes.Br, enter);
        _il.MarkLabel(noBudget);
        EmitReason(RegionExit.Attention);
        _il.Emit(OpCodes.Ret);
        _il.MarkLabel(noFloat);
        EmitReason(RegionExit.Float);
        _il.Emit(OpCodes.Ret);
        _il.MarkLabel(enter);
        if (_region.Entries.Count > 1)
        {
            _il.Emit(OpCodes.Ldarg_1);
            _il.Emit(OpCodes.Switch, [.. _region.Entries.Select(e => _labels[e])]);
        }

        _il.Emit(OpCodes.Br, _labels[_region.Entries[0]]);
    }

    /// <summary>Moves a share of the budget from the outer count, which holds at least the region's number of
    /// instructions, to the one that blocks count down.</summary>
    private void EmitShare()
    {
        Label all = _il.DefineLabel();
        Label done = _il.DefineLabel();
        _il.Emit(OpCodes.Ldloc, _locals.Outer);
        _il.Emit(OpCodes.Ldc_I8, (long)Share);
        _il.Emit(OpCodes.Ble, all);
        _il.Emit(OpCodes.Ldloc, _locals.Outer);
        _il.Emit(OpCodes.Ldc_I8, (long)Share);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, _locals.Outer);
        _il.Emit(OpCodes.Ldc_I8, (long)(Share - _region.InstructionCount));
        _il.Emit(OpCodes.Stloc, _locals.Remaining);
        _il.Emit(OpCodes.Br, done);
        _il.MarkLabel(all);
        _il.Emit(OpCodes.Ldloc, _locals.Outer);
        _il.Emit(OpCodes.Ldc_I8, (long)_region.InstructionCount);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, _locals.Remaining);
        _il.Emit(OpCodes.Ldc_I8, 0L);
        _il.Emit(OpCodes.Stloc, _locals.Outer);
        _il.MarkLabel(done);
    }

    /// <summary>The share is used up at a backward jump.</summary>
    private void EmitRenewal(int target)
    {
        LoadPending();
        _il.Emit(OpCodes.Brtrue, _exits.At(target, 0, RegionExit.Attention));
        // The rest of the old share is either given back or less than the region needs, and stays where it is.
        _il.Emit(OpCodes.Ldloc, _locals.Outer);
        _il.Emit(OpCodes.Ldc_I8, (long)_region.InstructionCount);
        _il.Emit(OpCodes.Blt, _exits.At(target, 0, RegionExit.Attention));
        EmitRest();
        _il.Emit(OpCodes.Stloc, _locals.Outer);
        EmitShare();
        _il.Emit(OpCodes.Br, _labels[target]);
    }

    /// <summary>Pushes what is left of the budget.</summary>
    private void EmitRest()
    {
        _il.Emit(OpCodes.Ldloc, _locals.Outer);
        _il.Emit(OpCodes.Ldloc, _locals.Remaining);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldc_I8, (long)_region.InstructionCount);
        _il.Emit(OpCodes.Add);
    }

    private void EmitBlock(RegionBlock block, int following)
    {
        _il.MarkLabel(_labels[block.Offset]);
        _il.Emit(OpCodes.Ldloc, _locals.Remaining);
        _il.Emit(OpCodes.Ldc_I8, (long)block.Instructions.Length);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, _locals.Remaining);
        _ops.BeginBlock(block);
        for (int i = 0; i < block.Instructions.Length; i++)
        {
            RegionInstruction instruction = block.Instructions[i];
            if (instruction.IsJump)
            {
                EmitJump(block, instruction, following);
                return;
            }

            int notExecuted = block.Instructions.Length - i;
            _ops.Emit(i, instruction, why => _exits.At(instruction.Offset, notExecuted, why));
        }

        Continue(block.Offset, block.End, following);
    }

    private void EmitJump(RegionBlock block, RegionInstruction jump, int following)
    {
        switch (jump.Op.Code)
        {
            case OpCode.J:
                Continue(jump.Offset, jump.Target, following);
                break;
            case OpCode.Jal:
                _ops.LoadAddress(jump.Next);
                _locals.EmitStore(jump.Op.Rd);
                Continue(jump.Offset, jump.Target, following);
                break;
            case OpCode.Jalr:
                EmitIndirect(jump);
                break;
            default:
                EmitBranch(block, jump, following);
                break;
        }
    }

    private void EmitBranch(RegionBlock block, RegionInstruction branch, int following)
    {
        bool inside = _labels.TryGetValue(branch.Target, out Label target);
        if (inside && Selectable(block, branch) is { } skipped)
        {
            EmitSelection(branch, skipped);
            _il.Emit(OpCodes.Br, target);
            return;
        }

        if (inside && branch.Target > branch.Offset)
        {
            _ops.EmitCondition(branch.Op, negate: false, target);
        }
        else if (!inside)
        {
            _ops.EmitCondition(branch.Op, negate: false, _exits.At(branch.Target, 0, WhyOutside(branch.Target)));
        }
        else
        {
            Label notTaken = _il.DefineLabel();
            _ops.EmitCondition(branch.Op, negate: true, notTaken);
            EmitBackward(branch.Target);
            _il.MarkLabel(notTaken);
        }

        Continue(branch.Offset, branch.Next, following);
    }

    /// <summary>Goes on at an offset: falls through, jumps, or leaves.</summary>
    private void Continue(int from, int to, int following)
    {
        if (!_labels.TryGetValue(to, out Label label))
        {
            _il.Emit(OpCodes.Br, _exits.At(to, 0, WhyOutside(to)));
        }
        else if (to <= from)
        {
            EmitBackward(to);
        }
        else if (to != following)
        {
            _il.Emit(OpCodes.Br, label);
        }
    }

    /// <summary>The block that a branch skips, when it is better executed for nothing than predicted
    /// wrongly.</summary>
    private RegionBlock? Selectable(RegionBlock block, RegionInstruction branch)
    {
        RegionBlock? skipped = _region.Blocks.FirstOrDefault(b => b.Offset == branch.Next);
        if (skipped is null
            || skipped.End != branch.Target
            || skipped.Instructions.Length > SelectMax
            || !skipped.Instructions.All(i => OpCompiler.IsSimple(i.Op)))
        {
            return null;
        }

        double share = (double)skipped.Executions / block.Executions;
        return share is > SelectShareMin and < 1 - SelectShareMin || block.Executions == 1 ? skipped : null;
    }

    private void EmitSelection(RegionInstruction branch, RegionBlock skipped)
    {
        LocalBuilder mask = _locals.Scratch();
        _ops.EmitNotTakenMask(branch.Op);
        _il.Emit(OpCodes.Stloc, mask);
        _locals.BeginOverlay();
        for (int i = 0; i < skipped.Instructions.Length; i++)
        {
            _ops.Emit(i, skipped.Instructions[i], _ => throw new UnreachableException());
        }

        _locals.EndOverlay(mask);
        _il.Emit(OpCodes.Ldloc, _locals.Remaining);
        _il.Emit(OpCodes.Ldloc, mask);
        _il.Emit(OpCodes.Ldc_I8, (long)skipped.Instructions.Length);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, _locals.Remaining);
    }

    private void EmitBackward(int target)
    {
        if (!_renewals.TryGetValue(target, out Label renewal))
        {
            renewal = _il.DefineLabel();
            _renewals.Add(target, renewal);
        }

        _il.Emit(OpCodes.Ldloc, _locals.Remaining);
        _il.Emit(OpCodes.Ldc_I8, 0L);
        _il.Emit(OpCodes.Blt, renewal);
        _il.Emit(OpCodes.Br, _labels[target]);
    }

    /// <summary>
    /// An indirect jump leaves, except that a return is first compared with the places behind this region's own calls.
    /// </summary>
    private void EmitIndirect(RegionInstruction jump)
    {
        _locals.EmitLoad(jump.Op.Rs1);
        if (jump.Op.Imm != 0)
        {
            _il.Emit(OpCodes.Ldc_I8, (long)jump.Op.Imm);
            _il.Emit(OpCodes.Add);
        }

        _il.Emit(OpCodes.Ldc_I8, -2L);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Stloc, _locals.Pc);
        if (jump.Op.Rd != HartContext.SinkRegister)
        {
            _ops.LoadAddress(jump.Next);
            _locals.EmitStore(jump.Op.Rd);
        }
        else if (jump.Op.Rs1 == 1)
        {
            foreach (int site in ReturnSites().Distinct().Take(12))
            {
                Label other = _il.DefineLabel();
                _il.Emit(OpCodes.Ldloc, _locals.Pc);
                _ops.LoadAddress(site);
                _il.Emit(OpCodes.Bne_Un, other);
                EmitBackward(site);
                _il.MarkLabel(other);
            }
        }

        EmitReason(RegionExit.Indirect);
        _il.Emit(OpCodes.Br, _exits.Onward);
    }

    private static RegionExit WhyOutside(int target) =>
        target is >= 0 and < 4096 ? RegionExit.Uncompiled : RegionExit.Jump;

    private void EmitReason(RegionExit why)
    {
        _il.EmitPlace(ExitOffset);
        _il.Emit(OpCodes.Ldc_I4, (int)why);
        _il.Emit(OpCodes.Stind_I4);
    }

    private IEnumerable<int> ReturnSites() => _region.Blocks
        .Select(b => b.Instructions[^1])
        .Where(i => i.Op.Code == OpCode.Jal && _labels.ContainsKey(i.Target) && _labels.ContainsKey(i.Next))
        .Select(i => i.Next);

    /// <summary>Pushes the pending word, which other threads set.</summary>
    private void LoadPending()
    {
        _il.EmitPlace(PendingOffset);
        _il.Emit(OpCodes.Volatile);
        _il.Emit(OpCodes.Ldind_I4);
    }
}
