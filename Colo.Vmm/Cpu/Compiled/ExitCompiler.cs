using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.InteropServices;
using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// The ways out of a region: each knows its pc and how many instructions of its block were not executed, and either
/// goes back to the interpreter or on to the region that starts at its pc.
/// </summary>
internal sealed class ExitCompiler
{
    private static readonly int PcOffset = ContextField.Offset(nameof(HartContext.Pc));
    private static readonly int RemainingOffset = ContextField.Offset(nameof(HartContext.Remaining));
    private static readonly int ExitOffset = ContextField.Offset(nameof(HartContext.RegionExit));
    private static readonly int StraddleOffset = ContextField.Offset(nameof(HartContext.StraddleRegion));
    private static readonly int ModeKeyOffset = ContextField.Offset(nameof(HartContext.ModeKey));
    private static readonly int JumpsOffset = ContextField.Offset(nameof(HartContext.Jumps));
    private static readonly int ChainedOffset = ContextField.Offset(nameof(HartContext.Chained));
    private static readonly int EntryCodeOffset = (int)Marshal.OffsetOf<JumpEntry>(nameof(JumpEntry.Code));
    private static readonly int EntryNumberOffset = (int)Marshal.OffsetOf<JumpEntry>(nameof(JumpEntry.Entry));

    private readonly ILGenerator _il;
    private readonly RegionLocals _locals;
    private readonly int _number;
    private readonly Dictionary<(int Offset, int NotExecuted, RegionExit Why), Label> _exits = [];
    private readonly Label _leave;
    private readonly Label _chain;
    private readonly Label _onward;
    private readonly Label _back;
    private readonly Label _straddle;

    /// <param name="number">The region's, see <see cref="CompiledRegion"/>.</param>
    public ExitCompiler(ILGenerator il, RegionLocals locals, int number)
    {
        _il = il;
        _locals = locals;
        _number = number;
        _leave = il.DefineLabel();
        _chain = il.DefineLabel();
        _onward = il.DefineLabel();
        _back = il.DefineLabel();
        _straddle = il.DefineLabel();
    }

    /// <summary>Leaves for the address in the local for pc, with the reason noted.</summary>
    public Label Onward => _chain;

    /// <summary>Arguments of a region's code.</summary>
    public static Type[] Parameters { get; } = [typeof(HartContext).MakePointerType(), typeof(int)];

    /// <summary>Leaves with pc at an offset from the page's start.</summary>
    public Label At(int offset, int notExecuted, RegionExit why)
    {
        if (!_exits.TryGetValue((offset, notExecuted, why), out Label label))
        {
            label = _il.DefineLabel();
            _exits.Add((offset, notExecuted, why), label);
        }

        return label;
    }

    /// <summary>Emits all ways out that were asked for.</summary>
    /// <param name="pushRest">Pushes what is left of the budget.</param>
    public void Emit(Action pushRest)
    {
        foreach (((int offset, int notExecuted, RegionExit why), Label label) in _exits)
        {
            _il.MarkLabel(label);
            _il.Emit(OpCodes.Ldc_I4, offset << 10 | notExecuted << 2 | ((int)why - GroupOf(why)));
            _il.Emit(OpCodes.Stloc, _locals.Exit);
            _il.Emit(OpCodes.Br, why == RegionExit.Straddle ? _straddle : GroupOf(why) == 0 ? _onward : _back);
        }

        EmitExits();
        EmitLeave(pushRest);
        EmitChain(pushRest);
    }

    /// <summary>The first of the reasons to go on elsewhere, or of those to go back to the interpreter.</summary>
    private static int GroupOf(RegionExit why) => why < RegionExit.Memory ? 0 : (int)RegionExit.Memory;

    /// <summary>
    /// What all exits do with their number: 22 bits of distance from the page's start, 8 of instructions that were
    /// not executed, 2 of reason. There are more exits than anything else in a region, and the just-in-time compiler
    /// needs its time for each instruction of each.
    /// </summary>
    private void EmitExits()
    {
        _il.MarkLabel(_onward);
        EmitReasonOf(0);
        EmitExitState();
        _il.Emit(OpCodes.Br, _chain);
        _il.MarkLabel(_back);
        EmitReasonOf((int)RegionExit.Memory);
        EmitExitState();
        _il.Emit(OpCodes.Br, _leave);
        _il.MarkLabel(_straddle);
        EmitStraddleTest();
        EmitExitState();
        _il.Emit(OpCodes.Br, _leave);
    }

    private void EmitReasonOf(int group)
    {
        _il.EmitPlace(ExitOffset);
        _il.Emit(OpCodes.Ldloc, _locals.Exit);
        _il.Emit(OpCodes.Ldc_I4_3);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Ldc_I4, group);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stind_I4);
    }

    private void EmitExitState()
    {
        _il.Emit(OpCodes.Ldloc, _locals.Remaining);
        _il.Emit(OpCodes.Ldloc, _locals.Exit);
        _il.Emit(OpCodes.Ldc_I4_2);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Ldc_I4, 0xff);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Conv_I8);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, _locals.Remaining);
        _il.Emit(OpCodes.Ldloc, _locals.Base);
        _il.Emit(OpCodes.Ldloc, _locals.Exit);
        _il.Emit(OpCodes.Ldc_I4, 10);
        _il.Emit(OpCodes.Shr);
        _il.Emit(OpCodes.Conv_I8);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, _locals.Pc);
    }

    /// <summary>A shared probe has failed: because its accesses lie in two pages, or because the page is not
    /// there.</summary>
    private void EmitStraddleTest()
    {
        _il.EmitPlace(ExitOffset);
        _il.Emit(OpCodes.Ldloc, _locals.Straddle);
        _il.Emit(OpCodes.Ldc_I4, 12);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Conv_U8);
        _il.Emit(OpCodes.Cgt_Un);
        _il.Emit(OpCodes.Ldc_I4, (int)RegionExit.Memory);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stind_I4);
        _il.EmitPlace(StraddleOffset);
        _il.Emit(OpCodes.Ldc_I4, _number);
        _il.Emit(OpCodes.Stind_I4);
    }

    private void EmitLeave(Action pushRest)
    {
        _il.MarkLabel(_leave);
        EmitStoreState(pushRest);
        _il.Emit(OpCodes.Ret);
    }

    /// <summary>
    /// Leaves for another place in guest code: if the jump cache knows it, its code is jumped to, with all state in the
    /// context as for any exit. What the cache forgets can thus not be reached any more; a region that is entered looks
    /// at the budget and at what is pending before anything else.
    /// </summary>
    private void EmitChain(Action pushRest)
    {
        LocalBuilder key = _locals.Scratch();
        LocalBuilder entry = _locals.ScratchPointer();
        Label miss = _il.DefineLabel();
        _il.MarkLabel(_chain);
        EmitStoreState(pushRest);
        _il.Emit(OpCodes.Ldloc, _locals.Pc);
        _il.EmitPlace(ModeKeyOffset);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Xor);
        _il.Emit(OpCodes.Stloc, key);
        _il.EmitPlace(JumpsOffset);
        _il.Emit(OpCodes.Ldind_I);
        EmitJumpIndex(key);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, entry);
        _il.Emit(OpCodes.Ldloc, entry);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldloc, key);
        _il.Emit(OpCodes.Bne_Un, miss);
        _il.EmitPlace(ChainedOffset);
        _il.EmitPlace(ChainedOffset);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldc_I8, 1L);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stind_I8);
        _il.Emit(OpCodes.Ldarg_0);
        LoadFrom(entry, EntryNumberOffset);
        _il.Emit(OpCodes.Ldind_I4);
        LoadFrom(entry, EntryCodeOffset);
        _il.Emit(OpCodes.Ldind_I);
        _il.Emit(OpCodes.Tailcall);
        _il.EmitCalli(OpCodes.Calli, CallingConventions.Standard, typeof(void), Parameters, null);
        _il.Emit(OpCodes.Ret);
        _il.MarkLabel(miss);
        _il.Emit(OpCodes.Ret);
    }

    /// <summary>Pushes the distance of a key's entry from the start of the jump cache: as
    /// <see cref="CodeCache"/> computes it.</summary>
    private void EmitJumpIndex(LocalBuilder key)
    {
        _il.Emit(OpCodes.Ldloc, key);
        _il.Emit(OpCodes.Ldc_I4_1);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Ldloc, key);
        _il.Emit(OpCodes.Ldc_I4, 12);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Xor);
        _il.Emit(OpCodes.Ldc_I8, JumpEntry.Count - 1L);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Ldc_I4, 5);
        _il.Emit(OpCodes.Shl);
        _il.Emit(OpCodes.Conv_I);
    }

    private void LoadFrom(LocalBuilder pointer, int offset)
    {
        _il.Emit(OpCodes.Ldloc, pointer);
        _il.Emit(OpCodes.Ldc_I4, offset);
        _il.Emit(OpCodes.Add);
    }

    private void EmitStoreState(Action pushRest)
    {
        _locals.EmitStoreAll();
        _il.EmitPlace(RemainingOffset);
        pushRest();
        _il.Emit(OpCodes.Stind_I8);
        _il.EmitPlace(PcOffset);
        _il.Emit(OpCodes.Ldloc, _locals.Pc);
        _il.Emit(OpCodes.Stind_I8);
    }
}
