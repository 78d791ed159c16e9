using System.Runtime.InteropServices;
using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>The handler of each operation. What has none of its own leaves the block and is done by the slow
/// path.</summary>
internal static unsafe class HandlerTable
{
    private const int Length = 256;

    private static readonly delegate*<Op*, HartContext*, CodeBlock*>* _handlers = Fill();

    public static delegate*<Op*, HartContext*, CodeBlock*> Of(OpCode code) => _handlers[(int)code];

    private static delegate*<Op*, HartContext*, CodeBlock*>* Fill()
    {
        var table = (delegate*<Op*, HartContext*, CodeBlock*>*)NativeMemory.Alloc(Length, (nuint)sizeof(nint));
        for (int i = 0; i < Length; i++)
        {
            table[i] = &ControlHandlers.Exit;
        }

        FillInteger(table);
        FillRegister(table);
        FillMemory(table);
        FloatHandlers.Fill(table);
        return table;
    }

    private static void FillInteger(delegate*<Op*, HartContext*, CodeBlock*>* table)
    {
        table[(int)OpCode.Nop] = &IntegerHandlers.Nop;
        table[(int)OpCode.Lui] = &IntegerHandlers.Lui;
        table[(int)OpCode.Auipc] = &IntegerHandlers.Auipc;
        table[(int)OpCode.Mv] = &IntegerHandlers.Mv;
        table[(int)OpCode.Addi] = &IntegerHandlers.Addi;
        table[(int)OpCode.Slti] = &IntegerHandlers.Slti;
        table[(int)OpCode.Sltiu] = &IntegerHandlers.Sltiu;
        table[(int)OpCode.Xori] = &IntegerHandlers.Xori;
        table[(int)OpCode.Ori] = &IntegerHandlers.Ori;
        table[(int)OpCode.Andi] = &IntegerHandlers.Andi;
        table[(int)OpCode.Slli] = &IntegerHandlers.Slli;
        table[(int)OpCode.Srli] = &IntegerHandlers.Srli;
        table[(int)OpCode.Srai] = &IntegerHandlers.Srai;
        table[(int)OpCode.Addiw] = &IntegerHandlers.Addiw;
        table[(int)OpCode.Slliw] = &IntegerHandlers.Slliw;
        table[(int)OpCode.Srliw] = &IntegerHandlers.Srliw;
        table[(int)OpCode.Sraiw] = &IntegerHandlers.Sraiw;
        table[(int)OpCode.End] = &ControlHandlers.End;
        table[(int)OpCode.Jal] = &ControlHandlers.Jal;
        table[(int)OpCode.J] = &ControlHandlers.J;
        table[(int)OpCode.Jalr] = &ControlHandlers.Jalr;
        table[(int)OpCode.Beq] = &ControlHandlers.Beq;
        table[(int)OpCode.Bne] = &ControlHandlers.Bne;
        table[(int)OpCode.Blt] = &ControlHandlers.Blt;
        table[(int)OpCode.Bge] = &ControlHandlers.Bge;
        table[(int)OpCode.Bltu] = &ControlHandlers.Bltu;
        table[(int)OpCode.Bgeu] = &ControlHandlers.Bgeu;
        table[(int)OpCode.Fence] = &ControlHandlers.Fence;
    }

    private static void FillRegister(delegate*<Op*, HartContext*, CodeBlock*>* table)
    {
        table[(int)OpCode.Add] = &IntegerHandlers.Add;
        table[(int)OpCode.Sub] = &IntegerHandlers.Sub;
        table[(int)OpCode.Sll] = &IntegerHandlers.Sll;
        table[(int)OpCode.Slt] = &IntegerHandlers.Slt;
        table[(int)OpCode.Sltu] = &IntegerHandlers.Sltu;
        table[(int)OpCode.Xor] = &IntegerHandlers.Xor;
        table[(int)OpCode.Srl] = &IntegerHandlers.Srl;
        table[(int)OpCode.Sra] = &IntegerHandlers.Sra;
        table[(int)OpCode.Or] = &IntegerHandlers.Or;
        table[(int)OpCode.And] = &IntegerHandlers.And;
        table[(int)OpCode.Addw] = &IntegerHandlers.Addw;
        table[(int)OpCode.Subw] = &IntegerHandlers.Subw;
        table[(int)OpCode.Sllw] = &IntegerHandlers.Sllw;
        table[(int)OpCode.Srlw] = &IntegerHandlers.Srlw;
        table[(int)OpCode.Sraw] = &IntegerHandlers.Sraw;
        table[(int)OpCode.Mul] = &MultiplyHandlers.Mul;
        table[(int)OpCode.Mulh] = &MultiplyHandlers.Mulh;
        table[(int)OpCode.Mulhsu] = &MultiplyHandlers.Mulhsu;
        table[(int)OpCode.Mulhu] = &MultiplyHandlers.Mulhu;
        table[(int)OpCode.Div] = &MultiplyHandlers.Div;
        table[(int)OpCode.Divu] = &MultiplyHandlers.Divu;
        table[(int)OpCode.Rem] = &MultiplyHandlers.Rem;
        table[(int)OpCode.Remu] = &MultiplyHandlers.Remu;
        table[(int)OpCode.Mulw] = &MultiplyHandlers.Mulw;
        table[(int)OpCode.Divw] = &MultiplyHandlers.Divw;
        table[(int)OpCode.Divuw] = &MultiplyHandlers.Divuw;
        table[(int)OpCode.Remw] = &MultiplyHandlers.Remw;
        table[(int)OpCode.Remuw] = &MultiplyHandlers.Remuw;
    }

    private static void FillMemory(delegate*<Op*, HartContext*, CodeBlock*>* table)
    {
        table[(int)OpCode.Lb] = &MemoryHandlers.Lb;
        table[(int)OpCode.Lh] = &MemoryHandlers.Lh;
        table[(int)OpCode.Lw] = &MemoryHandlers.Lw;
        table[(int)OpCode.Ld] = &MemoryHandlers.Ld;
        table[(int)OpCode.Lbu] = &MemoryHandlers.Lbu;
        table[(int)OpCode.Lhu] = &MemoryHandlers.Lhu;
        table[(int)OpCode.Lwu] = &MemoryHandlers.Lwu;
        table[(int)OpCode.Sb] = &MemoryHandlers.Sb;
        table[(int)OpCode.Sh] = &MemoryHandlers.Sh;
        table[(int)OpCode.Sw] = &MemoryHandlers.Sw;
        table[(int)OpCode.Sd] = &MemoryHandlers.Sd;
        table[(int)OpCode.Flw] = &MemoryHandlers.Flw;
        table[(int)OpCode.Fld] = &MemoryHandlers.Fld;
        table[(int)OpCode.Fsw] = &MemoryHandlers.Fsw;
        table[(int)OpCode.Fsd] = &MemoryHandlers.Fsd;
    }
}
