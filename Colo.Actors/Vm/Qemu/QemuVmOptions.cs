using System.Net;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Vmm.Links;
using Colo.Vmm.Net;
using Colo.Vmm.Qemu;

namespace Colo.Actors.Vm.Qemu;

/// <summary>What a <see cref="QemuVmBackend"/> is made of.</summary>
public sealed record QemuVmOptions
{
    public required VmId Vm { get; init; }

    public required HostIdentity Self { get; init; }

    public required QemuDefinition Guest { get; init; }

    public required QemuFolder Folder { get; init; }

    public required QemuPairSettings Settings { get; init; }

    /// <summary>Longest time between two checkpoints while comparing.</summary>
    public required TimeSpan ColoPeriod { get; init; }

    /// <summary>Time between two checkpoints without comparing.</summary>
    public required TimeSpan PeriodicPeriod { get; init; }

    /// <summary>Bridge that each card's TAP joins; empty: none.</summary>
    public required IReadOnlyList<string> Bridges { get; init; }

    /// <summary>What is wrong with the definition on this host now; asked before anything is started.</summary>
    public required Func<IReadOnlyList<string>> Preflight { get; init; }

    /// <summary>Takes what the guest prints; the second sends what somebody types.</summary>
    public required Action<ReadOnlyMemory<byte>> Printed { get; init; }

    /// <summary>Told how to send what somebody types.</summary>
    public required Action<Action<byte[]>> TypingTo { get; init; }

    /// <summary>A QEMU of a pair that does not answer its monitor for so long is given up. Default 5 s.</summary>
    public TimeSpan HangTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A QEMU must answer this long after its start. Default 30 s.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Bounds and times of Colo's comparer, where that is used.</summary>
    public ComparerOptions Comparer { get; init; } = new();

    /// <summary>Colo's comparer records what it decides in here, a folder for each card; empty: nowhere.</summary>
    public string CaptureFolder { get; init; } = string.Empty;

    /// <summary>Where a peer listens for data links.</summary>
    public required Func<HostId, IPEndPoint> PeerAddress { get; init; }

    public required LinkSecurity? Security { get; init; }

    public required LinkRegistry Links { get; init; }

    public required TimeProvider Time { get; init; }

    public required Action<string> Log { get; init; }
}
