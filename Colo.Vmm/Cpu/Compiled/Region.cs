namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// Blocks of one page that are compiled together, in ascending order, and the offsets at which the region may be
/// entered; the first is the block that was hot, the others are where calls return and where the interpreter hands
/// back.
/// </summary>
internal sealed record Region(int Page, IReadOnlyList<RegionBlock> Blocks, IReadOnlyList<int> Entries)
{
    public int InstructionCount { get; } = Blocks.Sum(b => b.Instructions.Length);
}
