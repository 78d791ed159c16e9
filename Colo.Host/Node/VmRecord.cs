using Colo.Actors.Checkpoint;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;
using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>What a node knows about one of its VMs for status and metrics. Any thread.</summary>
public sealed class VmRecord(VmDefinition definition, TimeProvider time)
{
    public VmDefinition Definition { get; set; } = definition;

    /// <summary>Whether it was created at run time, not by the node's own file.</summary>
    public bool IsStored { get; init; }

    public VmStatus? Status { get; set; }

    /// <summary>Since when the protection is as it is.</summary>
    public DateTimeOffset Since { get; set; }

    public IVmBackend? Backend { get; set; }

    public SerialConsole Console { get; } = new();

    /// <summary>Checkpoints captured in this life of the node.</summary>
    public long Checkpoints { get; set; }

    public CheckpointJournal Journal { get; } = new(time);

    /// <summary>Whether the operator has switched automatic changes of role off on this host.</summary>
    public bool IsProtectionPaused { get; set; }

    /// <summary>Whether the operator ended protection on this host (<c>unprotect</c>): it takes no joiner.</summary>
    public bool IsGivenUp { get; set; }

    /// <summary>The mode that was ordered on this host in this life of the node; null: the definition's.</summary>
    public ReplicationMode? Mode { get; set; }

    /// <summary>The event that best says why the VM is not protected; empty while it is.</summary>
    public string Why { get; set; } = string.Empty;

    /// <summary>What is known of a guest that has fallen silent; empty while it answers or is not asked.</summary>
    public string GuestSilent { get; set; } = string.Empty;

    /// <summary>Last reading of a copy under way: bytes done, and since when.</summary>
    public CopyRate Copy { get; } = new(time);

    public bool IsOwner => Status?.Role is VmRole.Primary or VmRole.Solo;
}
