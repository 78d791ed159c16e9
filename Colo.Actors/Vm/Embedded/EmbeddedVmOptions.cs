using System.Net;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Vmm.Block;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;
using Colo.Vmm.Links;
using Colo.Vmm.Machine;
using Colo.Vmm.Net;

namespace Colo.Actors.Vm.Embedded;

/// <summary>A card of the guest. Both replicas must have the same address.</summary>
public sealed record EmbeddedNic(string Tap, string Bridge, byte[] Mac);

/// <summary>What an <see cref="EmbeddedVmBackend"/> is made of.</summary>
public sealed record EmbeddedVmOptions
{
    public required VmId Vm { get; init; }

    public required HostIdentity Self { get; init; }

    public required IReadOnlyList<EmbeddedNic> Nics { get; init; }

    /// <summary>Opens the disks of this host alone; null where one of <see cref="PairedDisks"/> stands, in the
    /// guest's order.</summary>
    public required Func<IReadOnlyList<IBlockDevice?>> OpenLocalDisks { get; init; }

    /// <summary>Replicated and shared disks.</summary>
    public required IReadOnlyList<ReplicatedDiskOptions> PairedDisks { get; init; }

    public required IReadOnlyList<string> DiskSerials { get; init; }

    /// <summary>The machine's options around these cards and disks; the same on both hosts.</summary>
    public required Func<IReadOnlyList<NicOptions>, IReadOnlyList<DiskOptions>, MachineOptions> BuildMachine { get; init; }

    public required ComparerOptions Comparer { get; init; }

    public required int PageChannels { get; init; }

    public PrimaryCheckpointOptions PrimaryOptions { get; init; } = new();

    public SecondaryCheckpointOptions SecondaryOptions { get; init; } = new();

    public PrecopyOptions Precopy { get; init; } = new();

    /// <summary>Where a peer listens for data links.</summary>
    public required Func<HostId, IPEndPoint> PeerAddress { get; init; }

    public required LinkSecurity? Security { get; init; }

    public required LinkRegistry Links { get; init; }

    public required TimeProvider Time { get; init; }

    public required Action<string> Log { get; init; }

    internal SessionSetup Session(HostId peer, Term term, Action<Message> report) => new()
    {
        Vm = Vm,
        Self = Self,
        Peer = peer,
        PeerAddress = PeerAddress(peer),
        Security = Security,
        Term = term,
        PageChannels = PageChannels,
        PrimaryOptions = PrimaryOptions,
        SecondaryOptions = SecondaryOptions,
        Precopy = Precopy,
        Time = Time,
        Report = report,
        Log = Log,
    };
}
