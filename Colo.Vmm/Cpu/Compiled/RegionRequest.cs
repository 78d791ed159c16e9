namespace Colo.Vmm.Cpu.Compiled;

/// <summary>A wish for compiled code: a copy of the page, so that nothing is shared with the hart that goes on
/// executing.</summary>
/// <param name="Tier">Who gets the result.</param>
/// <param name="Page">Index of the page in RAM.</param>
/// <param name="Offset">Offset of the hot block.</param>
/// <param name="Generation">The page's generation in the hart's code cache.</param>
/// <param name="Code">The page's bytes.</param>
/// <param name="Warm">Offsets of blocks worth compiling, and how often they were executed; null: all.</param>
/// <param name="ShareProbes">Whether accesses off one base register may share a TLB probe.</param>
/// <param name="Replaces">The region that this one is a better version of, or 0.</param>
/// <param name="Installed">The page's regions on the hart that asks.</param>
/// <param name="MadeBefore">How many regions the library had made at the time of the wish.</param>
internal sealed record RegionRequest(
    CompiledTier Tier,
    int Page,
    int Offset,
    int Generation,
    byte[] Code,
    Dictionary<int, int>? Warm,
    bool ShareProbes,
    int Replaces,
    IReadOnlyList<CompiledRegion> Installed,
    int MadeBefore)
{
    /// <summary>Regions of a page that may hold the same code: an inner loop, the one around it, and their
    /// caller.</summary>
    private const int CopiesMax = 3;

    /// <summary>
    /// Where the new region is to end because code that starts there is compiled and was copied into others often
    /// enough: it goes on in that one. Without this, every path that becomes hot late is compiled with all that it
    /// leads to.
    /// </summary>
    /// <param name="since">Regions of the page that were made since the wish.</param>
    public HashSet<int> Closed(IEnumerable<CompiledRegion> since)
    {
        HashSet<int> closed = [];
        CompiledRegion[] all = [.. Installed, .. since];
        foreach (int entry in all.SelectMany(made => made.Region.Entries))
        {
            if (entry != Offset && !closed.Contains(entry) && all.Count(made => made.Holds(entry)) >= CopiesMax)
            {
                closed.Add(entry);
            }
        }

        return closed;
    }
}
