using Colo.Actors.Protocol;
using Colo.Actors.Vm;
using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>What a node knows about one of its VMs for status and metrics. Any thread.</summary>
public sealed class VmRecord(VmDefinition definition)
{
    public VmDefinition Definition { get; } = definition;

    public VmStatus? Status { get; set; }

    /// <summary>Since when the protection is as it is.</summary>
    public DateTimeOffset Since { get; set; }

    public IVmBackend? Backend { get; set; }

    public SerialConsole Console { get; } = new();

    /// <summary>Checkpoints captured in this life of the node.</summary>
    public long Checkpoints { get; set; }
}
