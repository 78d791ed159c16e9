namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// How often blocks were executed that were given up to make room before they were hot: one that is decoded again goes
/// on counting, or code that is used again and again, but never long, would never be compiled. A table without tags:
/// two blocks in one place make one of them hot too early or too late, which costs a little time and nothing else.
/// </summary>
internal sealed unsafe class BlockWarmth
{
    private const int Bits = 16;

    private readonly ushort[] _executed = new ushort[1 << Bits];

    /// <summary>Keeps the count of a block that is given up.</summary>
    public void Keep(CodeBlock* block, int threshold)
    {
        // Beyond the threshold the tier has been asked already.
        int executed = block->Heat > threshold ? 0 : threshold - block->Heat;
        _executed[Place(block->Page, block->Offset)] = (ushort)Math.Min(executed, ushort.MaxValue);
    }

    /// <summary>The heat of a block that was decoded: what is left of the threshold.</summary>
    public int Recall(int page, int offset, int threshold)
    {
        ref ushort executed = ref _executed[Place(page, offset)];
        int heat = Math.Max(1, threshold - executed);
        executed = 0;
        return heat;
    }

    private static int Place(int page, int offset) =>
        (int)(unchecked(((uint)page << 11 | (uint)offset >> 1) * 0x9e3779b1u) >> (32 - Bits));
}
