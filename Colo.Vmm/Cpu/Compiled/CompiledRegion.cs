namespace Colo.Vmm.Cpu.Compiled;

/// <summary>Compiled code and the page's bytes that it was made from. Serves every hart of the machine.</summary>
internal sealed record CompiledRegion(Region Region, byte[] Bytes, RegionDelegate Code, bool SharesProbes, int Number)
{
    public bool Holds(int offset) => Region.Blocks.Any(b => b.Offset == offset);

    /// <summary>Whether the page still holds, where this region has code, what was compiled.</summary>
    public bool Matches(ReadOnlySpan<byte> page)
    {
        foreach (RegionBlock block in Region.Blocks)
        {
            if (!page[block.Offset..block.End].SequenceEqual(Bytes.AsSpan(block.Offset..block.End)))
            {
                return false;
            }
        }

        return true;
    }
}
