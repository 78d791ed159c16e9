using System.Reflection.Emit;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Cpu.Interpret;
using OpCode = Colo.Vmm.Cpu.Decode.OpCode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>IL of single integer instructions, loads and stores. What it does not support the interpreter
/// does.</summary>
internal sealed class OpCompiler(ILGenerator il, RegionLocals locals, CompileChoices choices)
{
    private readonly FloatOpCompiler _floats = new(il, locals);
    private readonly MemoryOpCompiler _memory = new(il, locals, choices);
    private readonly CsrOpCompiler _csrs = new(il, locals);

    public static bool Supports(in Op op) => op.Code switch
    {
        >= OpCode.Nop and <= OpCode.Remuw => true,
        >= OpCode.Jal and <= OpCode.Fence => true,
        >= OpCode.LrW and <= OpCode.AmoOrW => op.Code != OpCode.AmoXorW,
        >= OpCode.AmoSwapD and <= OpCode.AmoOrD => op.Code != OpCode.AmoXorD,
        OpCode.System => CsrOpCompiler.Supports(op),
        _ => FloatOpCompiler.Supports(op),
    };

    public void BeginBlock(RegionBlock block) => _memory.BeginBlock(block);

    /// <summary>
    /// Emits one instruction, at an index in the block; <paramref name="exit"/> gives the label that leaves before it.
    /// </summary>
    public void Emit(int index, in RegionInstruction instruction, Func<RegionExit, Label> exit)
    {
        Op op = instruction.Op;
        switch (op.Code)
        {
            case OpCode.Nop:
                break;
            case OpCode.Lui:
                il.Emit(OpCodes.Ldc_I8, (long)op.Imm);
                locals.EmitStore(op.Rd);
                break;
            case OpCode.Auipc:
                LoadAddress(instruction.Offset + (long)op.Imm);
                locals.EmitStore(op.Rd);
                break;
            case >= OpCode.Mv and <= OpCode.Sraiw:
                EmitImmediate(op);
                locals.EmitStore(op.Rd);
                break;
            case >= OpCode.Add and <= OpCode.Sraw:
                EmitRegister(op);
                locals.EmitStore(op.Rd);
                break;
            case >= OpCode.Mul and <= OpCode.Remuw:
                EmitMultiply(op);
                locals.EmitStore(op.Rd);
                break;
            case OpCode.Fence:
                _memory.EmitFence(op);
                break;
            case OpCode.System:
                _csrs.Emit(op, exit(RegionExit.Uncompiled));
                break;
            case (>= OpCode.Lb and <= OpCode.Fsd) or (>= OpCode.LrW and <= OpCode.AmoMaxuD):
                _memory.Emit(index, op, exit);
                break;
            default:
                _floats.Emit(op, () => exit(RegionExit.Float));
                break;
        }
    }

    /// <summary>Pushes a virtual address given by its distance from the page.</summary>
    public void LoadAddress(long offset)
    {
        il.Emit(OpCodes.Ldloc, locals.Base);
        il.Emit(OpCodes.Ldc_I8, offset);
        il.Emit(OpCodes.Add);
    }

    public void EmitCondition(in Op op, bool negate, Label target)
    {
        locals.EmitLoad(op.Rs1);
        locals.EmitLoad(op.Rs2);
        il.Emit(
            (op.Code, negate) switch
            {
                (OpCode.Beq, false) or (OpCode.Bne, true) => OpCodes.Beq,
                (OpCode.Beq, true) or (OpCode.Bne, false) => OpCodes.Bne_Un,
                (OpCode.Blt, false) or (OpCode.Bge, true) => OpCodes.Blt,
                (OpCode.Blt, true) or (OpCode.Bge, false) => OpCodes.Bge,
                (OpCode.Bltu, false) or (OpCode.Bgeu, true) => OpCodes.Blt_Un,
                _ => OpCodes.Bge_Un,
            },
            target);
    }

    /// <summary>Whether an operation only computes an integer register from others, in an instant.</summary>
    public static bool IsSimple(in Op op) => op.Code is (>= OpCode.Nop and <= OpCode.Sraw) and not OpCode.Auipc;

    /// <summary>Pushes all ones when a branch is not taken, zero when it is.</summary>
    public void EmitNotTakenMask(in Op op)
    {
        locals.EmitLoad(op.Rs1);
        locals.EmitLoad(op.Rs2);
        il.Emit(op.Code switch
        {
            OpCode.Beq or OpCode.Bne => OpCodes.Ceq,
            OpCode.Blt or OpCode.Bge => OpCodes.Clt,
            _ => OpCodes.Clt_Un,
        });
        il.Emit(OpCodes.Conv_U8);
        if (op.Code is OpCode.Beq or OpCode.Blt or OpCode.Bltu)
        {
            il.Emit(OpCodes.Ldc_I8, 1L);
            il.Emit(OpCodes.Sub);
        }
        else
        {
            il.Emit(OpCodes.Neg);
        }
    }

    private void EmitImmediate(in Op op)
    {
        locals.EmitLoad(op.Rs1);
        switch (op.Code)
        {
            case OpCode.Mv: break;
            case OpCode.Slti: Wide(op.Imm, OpCodes.Clt); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Sltiu: Wide(op.Imm, OpCodes.Clt_Un); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Xori: Wide(op.Imm, OpCodes.Xor); break;
            case OpCode.Ori: Wide(op.Imm, OpCodes.Or); break;
            case OpCode.Andi: Wide(op.Imm, OpCodes.And); break;
            case OpCode.Slli: Narrow(op.Imm, OpCodes.Shl); break;
            case OpCode.Srli: Narrow(op.Imm, OpCodes.Shr_Un); break;
            case OpCode.Srai: Narrow(op.Imm, OpCodes.Shr); break;
            case OpCode.Addiw: Word(op.Imm, OpCodes.Add); break;
            case OpCode.Slliw: Word(op.Imm, OpCodes.Shl); break;
            case OpCode.Srliw: Word(op.Imm, OpCodes.Shr_Un); break;
            case OpCode.Sraiw: Word(op.Imm, OpCodes.Shr); break;
            default: Wide(op.Imm, OpCodes.Add); break;
        }
    }

    private void Wide(long immediate, System.Reflection.Emit.OpCode operation)
    {
        il.Emit(OpCodes.Ldc_I8, immediate);
        il.Emit(operation);
    }

    private void Narrow(int immediate, System.Reflection.Emit.OpCode operation)
    {
        il.Emit(OpCodes.Ldc_I4, immediate);
        il.Emit(operation);
    }

    private void Word(int immediate, System.Reflection.Emit.OpCode operation)
    {
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ldc_I4, immediate);
        il.Emit(operation);
        il.Emit(OpCodes.Conv_I8);
    }

    private void EmitRegister(in Op op)
    {
        switch (op.Code)
        {
            case OpCode.Add: Both(op, OpCodes.Add); break;
            case OpCode.Sub: Both(op, OpCodes.Sub); break;
            case OpCode.Xor: Both(op, OpCodes.Xor); break;
            case OpCode.Or: Both(op, OpCodes.Or); break;
            case OpCode.And: Both(op, OpCodes.And); break;
            case OpCode.Slt: Both(op, OpCodes.Clt); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Sltu: Both(op, OpCodes.Clt_Un); il.Emit(OpCodes.Conv_U8); break;
            case OpCode.Sll: Shift(op, 63, OpCodes.Shl); break;
            case OpCode.Srl: Shift(op, 63, OpCodes.Shr_Un); break;
            case OpCode.Sra: Shift(op, 63, OpCodes.Shr); break;
            case OpCode.Sllw: Shift(op, 31, OpCodes.Shl); break;
            case OpCode.Srlw: Shift(op, 31, OpCodes.Shr_Un); break;
            case OpCode.Sraw: Shift(op, 31, OpCodes.Shr); break;
            case OpCode.Addw: BothWords(op, OpCodes.Add); break;
            default: BothWords(op, OpCodes.Sub); break;
        }
    }

    private void Both(in Op op, System.Reflection.Emit.OpCode operation)
    {
        locals.EmitLoad(op.Rs1);
        locals.EmitLoad(op.Rs2);
        il.Emit(operation);
    }

    private void BothWords(in Op op, System.Reflection.Emit.OpCode operation)
    {
        locals.EmitLoad(op.Rs1);
        il.Emit(OpCodes.Conv_I4);
        locals.EmitLoad(op.Rs2);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(operation);
        il.Emit(OpCodes.Conv_I8);
    }

    private void Shift(in Op op, int mask, System.Reflection.Emit.OpCode operation)
    {
        locals.EmitLoad(op.Rs1);
        if (mask == 31)
        {
            il.Emit(OpCodes.Conv_I4);
        }

        locals.EmitLoad(op.Rs2);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ldc_I4, mask);
        il.Emit(OpCodes.And);
        il.Emit(operation);
        if (mask == 31)
        {
            il.Emit(OpCodes.Conv_I8);
        }
    }

    /// <summary>
    /// Multiplication and division in place: a call would push the registers of the whole region into memory around it.
    /// </summary>
    private void EmitMultiply(in Op op)
    {
        switch (op.Code)
        {
            case OpCode.Mul: Both(op, OpCodes.Mul); break;
            case OpCode.Mulw: BothWords(op, OpCodes.Mul); break;
            case OpCode.Mulh: Call(op, nameof(Division.MultiplyHigh)); break;
            case OpCode.Mulhu: Call(op, nameof(Division.MultiplyHighUnsigned)); break;
            case OpCode.Mulhsu: Call(op, nameof(Division.MultiplyHighSignedUnsigned)); break;
            default: new DivisionCompiler(il, locals).Emit(op); break;
        }
    }

    private void Call(in Op op, string method)
    {
        locals.EmitLoad(op.Rs1);
        locals.EmitLoad(op.Rs2);
        il.Emit(OpCodes.Call, typeof(Division).GetMethod(method)!);
    }
}
