namespace Colo.Vmm.Cpu.Compiled;

/// <summary>Compiled code and the page's bytes that it was made from. Serves every hart of the machine.</summary>
/// <param name="Bytes">From the first compiled instruction on.</param>
/// <param name="Code">Keeps the code in memory.</param>
/// <param name="Entry">Address of the code, a <c>delegate*&lt;HartContext*, int, void&gt;</c>.</param>
/// <param name="Number">Regions are numbered as they are made.</param>
internal sealed record CompiledRegion(
    Region Region, byte[] Bytes, RegionDelegate Code, nint Entry, bool SharesProbes, int Number)
{
    /// <summary>Of a page, the bytes to remember.</summary>
    public static byte[] Used(Region region, byte[] page) => page[region.Blocks[0].Offset..region.Blocks[^1].End];

    public bool Holds(int offset) => Region.Blocks.Any(b => b.Offset == offset);

    /// <summary>Whether the page still holds, where this region has code, what was compiled.</summary>
    public bool Matches(ReadOnlySpan<byte> page)
    {
        int first = Region.Blocks[0].Offset;
        foreach (RegionBlock block in Region.Blocks)
        {
            if (!page[block.Offset..block.End].SequenceEqual(Bytes.AsSpan(block.Offset - first, block.End - block.Offset)))
            {
                return false;
            }
        }

        return true;
    }
}
