using System.Runtime.InteropServices;
using Colo.Vmm.Cpu.Interpret;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// Decodes straight-line code into a buffer of its own, from which <see cref="Finish"/> makes a block in its final
/// place. A block ends at a jump, at what changes mode or mapping, at the page's end or at 64 instructions.
/// </summary>
internal sealed unsafe class BlockBuilder(GuestRam ram) : IDisposable
{
    private const int ScratchBytes = 4096;

    private readonly Op[] _ops = new Op[CodeBlock.CountMax + 2];
    private readonly byte[] _halfOffsets = new byte[CodeBlock.CountMax + 1];
    private byte* _scratch = (byte*)NativeMemory.AlignedAlloc(ScratchBytes, 64);
    private int _count;
    private int _halves;
    private int _secondPage;

    ~BlockBuilder() => Dispose();

    /// <summary>Bytes that <see cref="Finish"/> needs for what was decoded last.</summary>
    public int SizeBytes => AlignedHeader + (_count + 2) * sizeof(Op) + _count + 1;

    private static int AlignedHeader => (sizeof(CodeBlock) + 15) / 16 * 16;

    /// <summary>False when the first instruction crosses the end of the page: see
    /// <see cref="DecodeCrossing"/>.</summary>
    public bool Decode(int page, int offset, int countMax)
    {
        byte* host = ram.HostPage(page);
        _count = 0;
        _halves = 0;
        _secondPage = -1;
        bool ended = false;
        int at = offset;
        while (!ended && _count < countMax && at < GuestRam.PageSize)
        {
            uint raw = *(ushort*)(host + at);
            if ((raw & 3) == 3)
            {
                if (at + 4 > GuestRam.PageSize)
                {
                    break;
                }

                raw |= (uint)*(ushort*)(host + at + 2) << 16;
                ended = Append(raw, 2);
                at += 4;
            }
            else
            {
                ended = Append(raw, 1);
                at += 2;
            }
        }

        if (_count == 0)
        {
            return false;
        }

        AppendEnd(ended);
        return true;
    }

    /// <summary>Decodes the instruction whose first half is the last of a page and whose second is the first of
    /// another.</summary>
    public void DecodeCrossing(int firstPage, int secondPage)
    {
        _count = 0;
        _halves = 0;
        _secondPage = secondPage;
        uint low = *(ushort*)(ram.HostPage(firstPage) + GuestRam.PageSize - 2);
        uint high = *(ushort*)ram.HostPage(secondPage);
        AppendEnd(Append(low | high << 16, 2));
    }

    /// <summary>A block that lives until the next call.</summary>
    public CodeBlock* Scratch(int page, int offset) => Finish(_scratch, page, offset);

    public CodeBlock* Finish(byte* memory, int page, int offset)
    {
        CodeBlock* block = (CodeBlock*)memory;
        *block = default;
        block->Ops = (Op*)(memory + AlignedHeader);
        block->HalfOffsets = (byte*)(block->Ops + _count + 2);
        block->Count = _count;
        block->Length = _halves * 2;
        block->Page = page;
        block->Offset = offset;
        block->SecondPage = _secondPage;
        block->Heat = int.MaxValue;
        block->SizeBytes = CodeArena.AllocatedBytes(SizeBytes);
        _ops.AsSpan(0, _count + 2).CopyTo(new Span<Op>(block->Ops, _count + 2));
        _halfOffsets.AsSpan(0, _count + 1).CopyTo(new Span<byte>(block->HalfOffsets, _count + 1));
        return block;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_scratch);
        _scratch = null;
        GC.SuppressFinalize(this);
    }

    /// <summary>Adds an instruction; true when it ends the block.</summary>
    private bool Append(uint raw, int halves)
    {
        Op op = Decoder.Decode(halves == 1 ? CompressedExpander.Expand(raw) : raw);
        if (op.Code == OpCode.Illegal)
        {
            op.Imm = (int)raw;
        }

        _halfOffsets[_count] = (byte)_halves;
        int behind = _halves + halves;
        switch (op.Code)
        {
            case OpCode.Auipc:
                op.Rs1 = (byte)_halves;
                break;
            case OpCode.J or OpCode.Jal:
                op.Imm += _halves * 2;
                op.Rs1 = (byte)behind;
                break;
            case OpCode.Jalr:
                op.Rs2 = (byte)behind;
                break;
            case >= OpCode.Beq and <= OpCode.Bgeu:
                op.Imm += _halves * 2;
                op.Rd = (byte)behind;
                break;
            default:
                break;
        }

        op.Handler = HandlerTable.Of(op.Code);
        _ops[_count++] = op;
        _halves = behind;
        return EndsBlock(op.Code);
    }

    /// <summary>
    /// Jumps, and everything that the slow path always does: what follows is a block of its own, which a compiled
    /// region may start at.
    /// </summary>
    private static bool EndsBlock(OpCode code) => code is
        (>= OpCode.Jal and <= OpCode.Bgeu) or OpCode.Illegal or OpCode.System or (>= OpCode.LrW and <= OpCode.AmoMaxuD);

    private void AppendEnd(bool ended)
    {
        _halfOffsets[_count] = (byte)_halves;
        bool jump = ended && _ops[_count - 1].Code is >= OpCode.Jal and <= OpCode.Bgeu;
        if (jump)
        {
            _ops[_count] = default;
        }
        else
        {
            _ops[_count] = new Op { Code = OpCode.End, Rd = (byte)_halves, Handler = HandlerTable.Of(OpCode.End) };
        }

        _ops[_count + 1] = default;
    }
}
