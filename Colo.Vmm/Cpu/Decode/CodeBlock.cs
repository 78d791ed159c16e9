using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// A decoded basic block of one physical page: the header, followed by its records, the <see cref="BlockLinks"/>, and
/// a byte a record with the distance in halfwords from the block's first instruction. Position-independent: the same
/// block serves every virtual mapping of its page.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct CodeBlock
{
    public const int CountMax = 64;

    public Op* Ops;

    /// <summary>Number of instructions; the record at this index is the links or an <see cref="OpCode.End"/>.</summary>
    public int Count;

    /// <summary>Length in bytes.</summary>
    public int Length;

    /// <summary>Counts down to the moment when a compiling tier is told that the block is hot.</summary>
    public int Heat;

    /// <summary>Index of the compiled region that starts here, or 0.</summary>
    public int Region;

    /// <summary>Index of the physical page in RAM, and the offset of the first byte in it.</summary>
    public int Page;

    public int Offset;

    /// <summary>For a single instruction that crosses into another page: the index of that page; otherwise
    /// -1.</summary>
    public int SecondPage;

    /// <summary>For a crossing instruction: the code cache's drop count when it was decoded.</summary>
    public int DropCount;

    /// <summary>1 when other blocks of the page may link to this one.</summary>
    public int Linkable;

    /// <summary>Bytes that the block takes in the arena.</summary>
    public int SizeBytes;

    public byte* HalfOffsets;
    public CodeBlock* NextInPage;
    public CodeBlock* NextInBucket;

    /// <summary>
    /// Remembers the block that follows this one through one of its links, if it lies in the same page at the distance
    /// that the jump says. (Two virtual pages may show the same physical one; a jump between them is not linked.)
    /// </summary>
    public void Link(CodeBlock** slot, CodeBlock* next)
    {
        if (next->Linkable == 0 || next->Page != Page)
        {
            return;
        }

        Op* last = Ops + (Count - 1);
        bool jump = last->Code is >= OpCode.Jal and <= OpCode.Bgeu;
        bool taken = jump && slot == &((BlockLinks*)(last + 1))->Taken;
        if (next->Offset == Offset + (taken ? last->Imm : Length))
        {
            *slot = next;
        }
    }
}
