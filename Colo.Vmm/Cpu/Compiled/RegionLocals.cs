using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>The locals of a region's method: one for each guest register that it touches, and the hart's
/// bookkeeping.</summary>
internal sealed class RegionLocals
{
    private static readonly MethodInfo ToBits = typeof(BitConverter).GetMethod(nameof(BitConverter.DoubleToUInt64Bits))!;
    private static readonly MethodInfo FromBits = typeof(BitConverter).GetMethod(nameof(BitConverter.UInt64BitsToDouble))!;

    private readonly ILGenerator _il;
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
        ReadTlb = il.DeclareLocal(typeof(nint));
        WriteTlb = il.DeclareLocal(typeof(nint));
        Straddle = il.DeclareLocal(typeof(ulong));
        Inexact = il.DeclareLocal(typeof(int));
        foreach (RegionInstruction instruction in region.Blocks.SelectMany(b => b.Instructions))
        {
            OpOperands operands = OpOperands.Of(instruction.Op);
            Declare(_integers, _integerWritten, operands.IntegerReads, operands.IntegerWrite);
            Declare(_floats, _floatWritten, operands.FloatReads, operands.FloatWrite);
            _usesFloat |= operands.UsesFloat;
            _usesDynamicRounding |= operands.Rounds;
        }
    }

    public LocalBuilder Remaining { get; }

    public LocalBuilder Pc { get; }

    /// <summary>Virtual address of the page.</summary>
    public LocalBuilder Base { get; }

    public LocalBuilder ReadTlb { get; }

    public LocalBuilder WriteTlb { get; }

    /// <summary>Bits in which the addresses of a failed shared probe differ.</summary>
    public LocalBuilder Straddle { get; }

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
        else
        {
            _il.Emit(OpCodes.Ldloc, _integers[register]!);
        }
    }

    public void EmitStore(int register)
    {
        if (register is 0 or HartContext.SinkRegister)
        {
            _il.Emit(OpCodes.Pop);
        }
        else
        {
            _il.Emit(OpCodes.Stloc, _integers[register]!);
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
            LoadFrom(_integers[i], Offset(nameof(HartContext.X)) + i * 8, OpCodes.Ldind_I8);
        }

        for (int i = 0; i < 32; i++)
        {
            LoadFrom(_floats[i], Offset(nameof(HartContext.F)) + i * 8, OpCodes.Ldind_R8);
        }

        LoadFrom(ReadTlb, Offset(nameof(HartContext.ReadTlb)), OpCodes.Ldind_I);
        LoadFrom(WriteTlb, Offset(nameof(HartContext.WriteTlb)), OpCodes.Ldind_I);
    }

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
            StoreTo(_integerWritten[i] ? _integers[i] : null, Offset(nameof(HartContext.X)) + i * 8, OpCodes.Stind_I8);
        }

        for (int i = 0; i < 32; i++)
        {
            StoreTo(_floatWritten[i] ? _floats[i] : null, Offset(nameof(HartContext.F)) + i * 8, OpCodes.Stind_R8);
        }
    }

    private static int Offset(string field) => (int)Marshal.OffsetOf<HartContext>(field);

    private void EmitField(string name)
    {
        EmitPlace(Offset(name));
        _il.Emit(OpCodes.Ldind_I4);
    }

    private void Declare(LocalBuilder?[] locals, bool[] written, uint reads, int write)
    {
        for (int i = 0; i < 32; i++)
        {
            if ((reads >> i & 1) != 0 || write == i)
            {
                locals[i] ??= _il.DeclareLocal(ReferenceEquals(locals, _floats) ? typeof(double) : typeof(ulong));
            }
        }

        if (write is >= 0 and < 32)
        {
            written[write] = true;
        }
    }

    private void LoadFrom(LocalBuilder? local, int offset, System.Reflection.Emit.OpCode load)
    {
        if (local is not null)
        {
            EmitPlace(offset);
            _il.Emit(load);
            _il.Emit(OpCodes.Stloc, local);
        }
    }

    private void StoreTo(LocalBuilder? local, int offset, System.Reflection.Emit.OpCode store)
    {
        if (local is not null)
        {
            EmitPlace(offset);
            _il.Emit(OpCodes.Ldloc, local);
            _il.Emit(store);
        }
    }

    private void EmitPlace(int offset)
    {
        _il.Emit(OpCodes.Ldarg_1);
        _il.Emit(OpCodes.Ldc_I4, offset);
        _il.Emit(OpCodes.Add);
    }
}
