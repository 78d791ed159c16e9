namespace Colo.Vmm.Block;

/// <summary>The power of one simulated host: counts the changes that its files make, and fails from a chosen one
/// on.</summary>
public sealed class PowerSupply
{
    private int _operations;

    /// <summary>Writes and flushes so far; a test picks its crash point among them.</summary>
    public int Operations => Volatile.Read(ref _operations);

    /// <summary>From this operation on every change fails with IoError and changes nothing.</summary>
    public int FailFrom { get; set; } = int.MaxValue;

    /// <summary>Counts one change; true when it must fail.</summary>
    public bool IsGone() => Interlocked.Increment(ref _operations) > FailFrom;
}
