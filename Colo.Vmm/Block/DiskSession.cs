namespace Colo.Vmm.Block;

/// <summary>
/// Names the attempt that last brought a disk into step with a peer's. Two disks that name the same session differ at
/// most in the parts that either side's <see cref="DirtyBitmap"/> names.
/// </summary>
/// <param name="Term">Term of the owner then; 0 when there is no such peer.</param>
/// <param name="Number">Counts the owner's attempts in that term from 1; 0 is the pair whose roles were
/// exchanged.</param>
public readonly record struct DiskSession(ulong Term, ulong Number)
{
    /// <summary>In step with nobody.</summary>
    public static DiskSession None => default;

    /// <summary>Whether there is a peer at all.</summary>
    public bool IsKnown => Term != 0;

    /// <summary>What the owner in this term, whose disk is in the present session, calls its next attempt.</summary>
    public DiskSession NextIn(ulong term) => new(term, Term == term ? Number + 1 : 1);
}
