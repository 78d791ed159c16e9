using System.Reflection.Emit;
using Colo.Vmm.Cpu.Decode;
using OpCode = Colo.Vmm.Cpu.Decode.OpCode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// IL of division and remainder with the M extension's answers for a divisor of zero and for the one overflow. Operands
/// that both fit in 32 bits without sign take the host's short division, which is several times faster than the long
/// one.
/// </summary>
internal sealed class DivisionCompiler(ILGenerator il, RegionLocals locals)
{
    private readonly Label _done = il.DefineLabel();
    private readonly LocalBuilder _dividend = locals.Scratch();
    private readonly LocalBuilder _divisor = locals.Scratch();
    private readonly LocalBuilder _result = locals.Scratch();

    /// <summary>Leaves the result on the stack.</summary>
    public void Emit(in Op op)
    {
        bool isWord = op.Code >= OpCode.Divw;
        bool isSigned = op.Code is OpCode.Div or OpCode.Rem or OpCode.Divw or OpCode.Remw;
        bool isRemainder = op.Code is OpCode.Rem or OpCode.Remu or OpCode.Remw or OpCode.Remuw;
        Load(op.Rs1, isWord, isSigned, _dividend);
        Load(op.Rs2, isWord, isSigned, _divisor);
        EmitByZero(isRemainder);
        if (isSigned)
        {
            EmitByMinusOne(isRemainder);
        }

        EmitShort(isRemainder);
        il.Emit(OpCodes.Ldloc, _dividend);
        il.Emit(OpCodes.Ldloc, _divisor);
        il.Emit((isSigned, isRemainder) switch
        {
            (true, true) => OpCodes.Rem,
            (true, false) => OpCodes.Div,
            (false, true) => OpCodes.Rem_Un,
            _ => OpCodes.Div_Un,
        });
        il.Emit(OpCodes.Stloc, _result);
        il.MarkLabel(_done);
        il.Emit(OpCodes.Ldloc, _result);
        if (isWord)
        {
            il.Emit(OpCodes.Conv_I4);
            il.Emit(OpCodes.Conv_I8);
        }
    }

    /// <summary>Words are widened, so that one division serves both widths; MIN / -1 of words does not overflow
    /// then.</summary>
    private void Load(int register, bool isWord, bool isSigned, LocalBuilder target)
    {
        locals.EmitLoad(register);
        if (isWord)
        {
            il.Emit(isSigned ? OpCodes.Conv_I4 : OpCodes.Conv_U4);
            il.Emit(isSigned ? OpCodes.Conv_I8 : OpCodes.Conv_U8);
        }

        il.Emit(OpCodes.Stloc, target);
    }

    private void EmitByZero(bool isRemainder)
    {
        Label other = il.DefineLabel();
        il.Emit(OpCodes.Ldloc, _divisor);
        il.Emit(OpCodes.Brtrue, other);
        if (isRemainder)
        {
            il.Emit(OpCodes.Ldloc, _dividend);
        }
        else
        {
            il.Emit(OpCodes.Ldc_I8, -1L);
        }

        Finish(other);
    }

    private void EmitByMinusOne(bool isRemainder)
    {
        Label other = il.DefineLabel();
        il.Emit(OpCodes.Ldloc, _divisor);
        il.Emit(OpCodes.Ldc_I8, -1L);
        il.Emit(OpCodes.Bne_Un, other);
        if (isRemainder)
        {
            il.Emit(OpCodes.Ldc_I8, 0L);
        }
        else
        {
            il.Emit(OpCodes.Ldloc, _dividend);
            il.Emit(OpCodes.Neg);
        }

        Finish(other);
    }

    private void EmitShort(bool isRemainder)
    {
        Label other = il.DefineLabel();
        il.Emit(OpCodes.Ldloc, _dividend);
        il.Emit(OpCodes.Ldloc, _divisor);
        il.Emit(OpCodes.Or);
        il.Emit(OpCodes.Ldc_I4, 32);
        il.Emit(OpCodes.Shr_Un);
        il.Emit(OpCodes.Brtrue, other);
        il.Emit(OpCodes.Ldloc, _dividend);
        il.Emit(OpCodes.Conv_U4);
        il.Emit(OpCodes.Ldloc, _divisor);
        il.Emit(OpCodes.Conv_U4);
        il.Emit(isRemainder ? OpCodes.Rem_Un : OpCodes.Div_Un);
        il.Emit(OpCodes.Conv_U8);
        Finish(other);
    }

    private void Finish(Label other)
    {
        il.Emit(OpCodes.Stloc, _result);
        il.Emit(OpCodes.Br, _done);
        il.MarkLabel(other);
    }
}
