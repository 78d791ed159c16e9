using System.Buffers.Binary;
using Colo.Vmm.Cpu.Decode;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// Finds the instructions reachable from a hot block by direct jumps inside its page, breadth first, up to a number
/// that RyuJIT compiles at its best rate (64 to 256).
/// </summary>
internal sealed class RegionFinder
{
    private const int InstructionsMax = 200;
    private const int EntriesMax = 32;

    private readonly byte[] _code;
    private readonly Dictionary<int, int>? _warm;
    private readonly HashSet<int> _closed;
    private readonly SortedDictionary<int, RegionInstruction> _found = [];
    private readonly HashSet<int> _leaders = [];
    private readonly List<int> _entries = [];
    private readonly Queue<int> _work = new();

    private RegionFinder(byte[] code, Dictionary<int, int>? warm, HashSet<int> closed)
    {
        _closed = closed;
        _code = code;
        _warm = warm;
    }

    /// <summary>Null when nothing at the entry can be compiled.</summary>
    /// <param name="code">Copy of the page.</param>
    /// <param name="page">Index of the page in RAM.</param>
    /// <param name="entry">Offset of the hot block.</param>
    /// <param name="warm">Offsets at which blocks were executed more than a few times, and how often: no other code is
    /// worth its time. Null when all code is to be compiled.</param>
    /// <param name="closed">Offsets that the region leaves at.</param>
    public static Region? Find(byte[] code, int page, int entry, Dictionary<int, int>? warm, HashSet<int> closed)
    {
        RegionFinder finder = new(code, warm, closed);
        warm?.TryAdd(entry, 1);
        finder.AddEntry(entry);
        while (finder._work.TryDequeue(out int offset))
        {
            finder.Follow(offset);
        }

        if (!finder._found.ContainsKey(entry))
        {
            return null;
        }

        List<int> entries = [.. finder._entries.Where(finder._found.ContainsKey)];
        return new Region(page, finder.Blocks(), entries);
    }

    private void AddEntry(int offset)
    {
        if (IsWarm(offset) && _entries.Count < EntriesMax && !_entries.Contains(offset))
        {
            _entries.Add(offset);
            AddLeader(offset);
        }
    }

    private void AddLeader(int offset)
    {
        // Every target ends a block, also one that is not followed: the block before it must not run into it.
        if (_leaders.Add(offset) && IsWarm(offset))
        {
            _work.Enqueue(offset);
        }
    }

    private bool IsWarm(int offset) => offset is >= 0 and < GuestRam.PageSize
        && (_warm is null || _warm.ContainsKey(offset))
        && !_closed.Contains(offset);

    private void Follow(int offset)
    {
        while (offset < GuestRam.PageSize
            && !_found.ContainsKey(offset)
            && _found.Count < InstructionsMax
            && !_closed.Contains(offset))
        {
            if (!TryDecode(offset, out RegionInstruction instruction))
            {
                return;
            }

            if (!OpCompiler.Supports(instruction.Op))
            {
                // The interpreter does this one and may come back behind it.
                if (instruction.Op.Code != OpCode.Illegal)
                {
                    AddEntry(instruction.Next);
                }

                return;
            }

            _found.Add(offset, instruction);
            offset = instruction.Next;
            if (instruction.Op.Code == OpCode.System && CsrOpCompiler.MayEnableInterrupts(instruction.Op))
            {
                AddEntry(offset);
            }

            if (instruction.IsJump)
            {
                FollowJump(instruction);
                return;
            }
        }
    }

    private void FollowJump(RegionInstruction jump)
    {
        switch (jump.Op.Code)
        {
            case OpCode.J:
                AddLeader(jump.Target);
                break;
            case OpCode.Jal:
                AddLeader(jump.Target);
                AddEntry(jump.Next);
                break;
            case OpCode.Jalr:
                if (jump.Op.Rd != HartContext.SinkRegister)
                {
                    AddEntry(jump.Next);
                }

                break;
            default:
                AddLeader(jump.Next);
                AddLeader(jump.Target);
                if (jump.Target <= jump.Offset)
                {
                    // A loop is left at its head when something is pending, and is to be entered there again.
                    AddEntry(jump.Target);
                }

                break;
        }
    }

    private bool TryDecode(int offset, out RegionInstruction instruction)
    {
        instruction = default;
        uint raw = BinaryPrimitives.ReadUInt16LittleEndian(_code.AsSpan(offset));
        if ((raw & 3) != 3)
        {
            instruction = new RegionInstruction(offset, 2, Decoder.Decode(CompressedExpander.Expand(raw)));
            return true;
        }

        if (offset + 4 > GuestRam.PageSize)
        {
            return false;
        }

        raw |= (uint)BinaryPrimitives.ReadUInt16LittleEndian(_code.AsSpan(offset + 2)) << 16;
        instruction = new RegionInstruction(offset, 4, Decoder.Decode(raw));
        return true;
    }

    private List<RegionBlock> Blocks()
    {
        List<RegionBlock> blocks = [];
        List<RegionInstruction> current = [];
        foreach (RegionInstruction instruction in _found.Values)
        {
            bool starts = current.Count > 0
                && (_leaders.Contains(instruction.Offset) || current[^1].Next != instruction.Offset || current[^1].IsJump);
            if (starts)
            {
                blocks.Add(Block(current, blocks));
                current.Clear();
            }

            current.Add(instruction);
        }

        blocks.Add(Block(current, blocks));
        return blocks;
    }

    private RegionBlock Block(List<RegionInstruction> instructions, List<RegionBlock> before)
    {
        int offset = instructions[0].Offset;
        int executions = 1;
        if (_warm is not null)
        {
            _warm.TryGetValue(offset, out executions);
            if (before.Count > 0 && before[^1].End == offset && !before[^1].EndsWithJump)
            {
                // The interpreter counted what ran into this block where it began.
                executions += before[^1].Executions;
            }
        }

        return new RegionBlock(offset, [.. instructions], instructions[^1].Next, Math.Max(1, executions));
    }
}
