namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// Blocks of one page that are compiled together, in ascending order, and the offsets at which the region may be
/// entered; the first is the block that was hot, the others are where calls return and where the interpreter hands
/// back.
/// </summary>
internal sealed record Region(int Page, IReadOnlyList<RegionBlock> Blocks, IReadOnlyList<int> Entries)
{
    public int InstructionCount { get; } = Blocks.Sum(b => b.Instructions.Length);

    /// <summary>What is asked of a region once it is compiled: everything but the instructions, which are most of
    /// it. The count stays.</summary>
    public Region WithoutInstructions() =>
        this with { Blocks = [.. Blocks.Select(b => b with { Instructions = [] })] };
}
