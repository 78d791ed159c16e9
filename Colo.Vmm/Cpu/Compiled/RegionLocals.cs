using System.Reflection;
using System.Reflection.Emit;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// The locals of a region's method: one for each of the guest registers that it touches most, and the hart's
/// bookkeeping. The other integer registers stay in the context: locals beyond the host's registers would be spilled,
/// and the just-in-time compiler does not know which of them the loops need.
/// </summary>
internal sealed class RegionLocals
{
    private static readonly MethodInfo ToBits = typeof(BitConverter).GetMethod(nameof(BitConverter.DoubleToUInt64Bits))!;
    private static readonly MethodInfo FromBits = typeof(BitConverter).GetMethod(nameof(BitConverter.UInt64BitsToDouble))!;

    /// <summary>Integer registers in locals; the host has 14 to give, of which some serve addresses.</summary>
    private const int IntegersMax = 10;

    private readonly ILGenerator _il;
    private readonly LocalBuilder?[] _overlay = new LocalBuilder?[32];
    private bool _overlays;
    private readonly LocalBuilder?[] _integers = new LocalBuilder?[32];
    private readonly LocalBuilder?[] _floats = new LocalBuilder?[32];
    private readonly bool[] _integerWritten = new bool[32];
    private readonly bool[] _floatWritten = new bool[32];
    private readonly bool _usesFloat;
    private readonly bool _usesDynamicRounding;

    public RegionLocals(ILGenerator il, Region region)
    {
        _il = il;
        Remaining = il.DeclareLocal(typeof(long));
        Pc = il.DeclareLocal(typeof(ulong));
        Base = il.DeclareLocal(typeof(ulong));
        Outer = il.DeclareLocal(typeof(long));
        Tlb = il.DeclareLocal(typeof(nint));
        Straddle = il.DeclareLocal(typeof(ulong));
        Exit = il.DeclareLocal(typeof(int));
        Inexact = il.DeclareLocal(typeof(int));
        long[] uses = new long[32];
        foreach (RegionBlock block in region.Blocks)
        {
            foreach (RegionInstruction instruction in block.Instructions)
            {
                OpOperands operands = OpOperands.Of(instruction.Op);
                Count(uses, operands, block.Executions);
                DeclareFloats(operands);
                _usesFloat |= operands.UsesFloat;
                _usesDynamicRounding |= operands.Rounds;
            }
        }

        uses[0] = 0;
        foreach (int register in Enumerable.Range(1, 31).Where(r => uses[r] > 0).OrderByDescending(r => uses[r]).Take(IntegersMax))
        {
            _integers[register] = il.DeclareLocal(typeof(ulong));
        }
    }

    /// <summary>Instructions that may be executed before the region looks at what is pending, less its own number: no
    /// forward path uses up more than that, so only backward jumps compare it, with zero.</summary>
    public LocalBuilder Remaining { get; }

    /// <summary>The rest of the budget.</summary>
    public LocalBuilder Outer { get; }

    public LocalBuilder Pc { get; }

    /// <summary>Virtual address of the page.</summary>
    public LocalBuilder Base { get; }

    /// <summary>The array for reads; that for writes follows.</summary>
    public LocalBuilder Tlb { get; }

    /// <summary>Bits in which the addresses of a failed shared probe differ.</summary>
    public LocalBuilder Straddle { get; }

    /// <summary>Where and why the region is left, as one number.</summary>
    public LocalBuilder Exit { get; }

    /// <summary>Whether the inexact flag was set on entry; nothing in a region sets it.</summary>
    public LocalBuilder Inexact { get; }

    /// <summary>A 64-bit local of its own: with one definition it does not tie distant instructions together.</summary>
    public LocalBuilder Scratch() => _il.DeclareLocal(typeof(ulong));

    public LocalBuilder ScratchPointer() => _il.DeclareLocal(typeof(nint));

    public LocalBuilder Scratch(Type type) => _il.DeclareLocal(type);

    public void EmitLoad(int register)
    {
        if (register == 0)
        {
            _il.Emit(OpCodes.Ldc_I8, 0L);
        }
        else if ((_overlay[register] ?? _integers[register]) is { } local)
        {
            _il.Emit(OpCodes.Ldloc, local);
        }
        else
        {
            _il.EmitPlace(Place(register));
            _il.Emit(OpCodes.Ldind_I8);
        }
    }

    public void EmitStore(int register)
    {
        if (register is 0 or HartContext.SinkRegister)
        {
            _il.Emit(OpCodes.Pop);
        }
        else if (_overlays)
        {
            _overlay[register] ??= Scratch();
            _il.Emit(OpCodes.Stloc, _overlay[register]!);
        }
        else if (_integers[register] is { } local)
        {
            _integerWritten[register] = true;
            _il.Emit(OpCodes.Stloc, local);
        }
        else
        {
            LocalBuilder value = Scratch();
            _il.Emit(OpCodes.Stloc, value);
            _il.EmitPlace(Place(register));
            _il.Emit(OpCodes.Ldloc, value);
            _il.Emit(OpCodes.Stind_I8);
        }
    }

    /// <summary>From here on what is written to integer registers is kept beside them.</summary>
    public void BeginOverlay() => _overlays = true;

    /// <summary>Gives the registers written since <see cref="BeginOverlay"/> their new value where the mask on hand is
    /// all ones, and leaves them where it is zero.</summary>
    public void EndOverlay(LocalBuilder mask)
    {
        _overlays = false;
        for (int i = 1; i < 32; i++)
        {
            if (_overlay[i] is { } written)
            {
                _overlay[i] = null;
                EmitLoad(i);
                EmitLoad(i);
                _il.Emit(OpCodes.Ldloc, written);
                _il.Emit(OpCodes.Xor);
                _il.Emit(OpCodes.Ldloc, mask);
                _il.Emit(OpCodes.And);
                _il.Emit(OpCodes.Xor);
                EmitStore(i);
            }
        }
    }

    public void EmitLoadFloat(int register) => _il.Emit(OpCodes.Ldloc, _floats[register]!);

    public void EmitStoreFloat(int register) => _il.Emit(OpCodes.Stloc, _floats[register]!);

    public void EmitLoadFloatBits(int register)
    {
        EmitLoadFloat(register);
        _il.Emit(OpCodes.Call, ToBits);
    }

    /// <summary>Turns the 32 bits on the stack into a register's content that holds them as a single.</summary>
    public void EmitBox()
    {
        _il.Emit(OpCodes.Conv_U8);
        _il.Emit(OpCodes.Ldc_I8, unchecked((long)0xffff_ffff_0000_0000));
        _il.Emit(OpCodes.Or);
        _il.Emit(OpCodes.Call, FromBits);
    }

    /// <summary>Loads every register and the TLB pointers from the context.</summary>
    public void EmitLoad()
    {
        for (int i = 1; i < 32; i++)
        {
            LoadFrom(_integers[i], Place(i), OpCodes.Ldind_I8);
        }

        for (int i = 0; i < 32; i++)
        {
            LoadFrom(_floats[i], FloatPlace(i), OpCodes.Ldind_R8);
        }

        EmitLoadTlb();
    }

    /// <summary>Takes the arrays of the TLB that the context says.</summary>
    public void EmitLoadTlb() => LoadFrom(Tlb, ContextField.Offset(nameof(HartContext.ReadTlb)), OpCodes.Ldind_I);

    /// <summary>
    /// A region with floating point is for the common state only: FPU on and dirty already, rounding to nearest even.
    /// In any other state the interpreter takes the first such block.
    /// </summary>
    public void EmitFloatGuard(Label leave)
    {
        if (_usesFloat)
        {
            EmitField(nameof(HartContext.Fs));
            _il.Emit(OpCodes.Ldc_I4_3);
            _il.Emit(OpCodes.Bne_Un, leave);
        }

        if (_usesDynamicRounding)
        {
            EmitField(nameof(HartContext.Frm));
            _il.Emit(OpCodes.Brtrue, leave);
            EmitField(nameof(HartContext.Fflags));
            _il.Emit(OpCodes.Ldc_I4_1);
            _il.Emit(OpCodes.And);
            _il.Emit(OpCodes.Stloc, Inexact);
        }
    }

    /// <summary>Stores every register that the region writes anywhere.</summary>
    public void EmitStoreAll()
    {
        for (int i = 1; i < 32; i++)
        {
            StoreTo(_integerWritten[i] ? _integers[i] : null, Place(i), OpCodes.Stind_I8);
        }

        for (int i = 0; i < 32; i++)
        {
            StoreTo(_floatWritten[i] ? _floats[i] : null, FloatPlace(i), OpCodes.Stind_R8);
        }
    }

    private static int Place(int register) => ContextField.Offset(nameof(HartContext.X)) + register * 8;

    private static int FloatPlace(int register) => ContextField.Offset(nameof(HartContext.F)) + register * 8;

    private void EmitField(string name)
    {
        _il.EmitPlace(ContextField.Offset(name));
        _il.Emit(OpCodes.Ldind_I4);
    }

    private static void Count(long[] uses, in OpOperands operands, int executions)
    {
        for (int i = 1; i < 32; i++)
        {
            uses[i] += (operands.IntegerReads >> i & 1) * executions;
            uses[i] += operands.IntegerWrite == i ? executions : 0;
        }
    }

    private void DeclareFloats(in OpOperands operands)
    {
        for (int i = 0; i < 32; i++)
        {
            if ((operands.FloatReads >> i & 1) != 0 || operands.FloatWrite == i)
            {
                _floats[i] ??= _il.DeclareLocal(typeof(double));
            }
        }

        if (operands.FloatWrite >= 0)
        {
            _floatWritten[operands.FloatWrite] = true;
        }
    }

    private void LoadFrom(LocalBuilder? local, int offset, System.Reflection.Emit.OpCode load)
    {
        if (local is not null)
        {
            _il.EmitPlace(offset);
            _il.Emit(load);
            _il.Emit(OpCodes.Stloc, local);
        }
    }

    private void StoreTo(LocalBuilder? local, int offset, System.Reflection.Emit.OpCode store)
    {
        if (local is not null)
        {
            _il.EmitPlace(offset);
            _il.Emit(OpCodes.Ldloc, local);
            _il.Emit(store);
        }
    }
}
