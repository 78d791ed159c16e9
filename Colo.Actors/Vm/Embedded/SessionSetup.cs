using System.Net;
using Colo.Actors.Protocol;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;
using Colo.Vmm.Links;
using Colo.Vmm.Memory;

namespace Colo.Actors.Vm.Embedded;

/// <summary>What a session with a peer is made of.</summary>
internal sealed record SessionSetup
{
    public required VmId Vm { get; init; }

    public required HostIdentity Self { get; init; }

    public required HostId Peer { get; init; }

    public required IPEndPoint PeerAddress { get; init; }

    public required LinkSecurity? Security { get; init; }

    /// <summary>The term in which the session began.</summary>
    public required Term Term { get; init; }

    /// <summary>The roles were just exchanged: both guests stand at the image of the handover, on both hosts, so
    /// that only what either writes from there on has to be sent.</summary>
    public bool Exchanged { get; init; }

    public required int PageChannels { get; init; }

    public required PrimaryCheckpointOptions PrimaryOptions { get; init; }

    public required SecondaryCheckpointOptions SecondaryOptions { get; init; }

    public required PrecopyOptions Precopy { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Takes reports for the cores; any thread.</summary>
    public required Action<Message> Report { get; init; }

    public required Action<string> Log { get; init; }

    /// <summary>The session is named by its term: links of an earlier one are refused at the door.</summary>
    public CheckpointLinkParameters LinkParameters(LinkRole role, GuestRam ram) => new(
        role, (ulong)Term.Value, (ulong)Term.Value, ram.BaseAddress, ram.SizeBytes, LinkFeatures.Delta);
}
