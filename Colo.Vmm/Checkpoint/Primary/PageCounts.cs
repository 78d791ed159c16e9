namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>Pages by what was done with them.</summary>
/// <param name="Raw">Sent with all their bytes.</param>
/// <param name="Zero">Sent as being zero.</param>
/// <param name="Delta">Sent as a difference.</param>
/// <param name="Equal">Written by the guest but not changed: not sent.</param>
public readonly record struct PageCounts(int Raw, int Zero, int Delta, int Equal)
{
    public int Sent => Raw + Zero + Delta;

    public static PageCounts operator +(PageCounts left, PageCounts right) => new(
        left.Raw + right.Raw, left.Zero + right.Zero, left.Delta + right.Delta, left.Equal + right.Equal);

    public static PageCounts Add(PageCounts left, PageCounts right) => left + right;
}
