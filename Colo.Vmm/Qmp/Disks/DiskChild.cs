using Colo.Vmm.Block;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>
/// One child of a disk: its name there (children.N), the node behind it, and the first error that a change met on it.
/// </summary>
internal sealed class DiskChild(string name, string nodeName, IBlockDevice device)
{
    private volatile string? _failure;

    public string Name => name;

    public string NodeName => nodeName;

    public IBlockDevice Device => device;

    /// <summary>Null while every change has reached the child.</summary>
    public string? Failure => _failure;

    /// <summary>True for the first failure.</summary>
    public bool Fail(string reason) => Interlocked.CompareExchange(ref _failure, reason, null) is null;
}
