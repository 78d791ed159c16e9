using Colo.Actors.Vm;
using Colo.Host.Node;

namespace Colo.Host.Cluster;

/// <summary>What would happen if one host died now.</summary>
/// <param name="Survives">Whether the guest would go on.</param>
/// <param name="AboutSeconds">After about how long; null when it would not.</param>
/// <param name="Text">The same as a sentence.</param>
public sealed record HostFate(string Host, bool Survives, double? AboutSeconds, string Text);

/// <summary>One host of a VM, or the witness, on the front page.</summary>
/// <param name="HeardMs">Age of the last heartbeat; null: never heard.</param>
/// <param name="IsStale">Older than what is believed: shown, but not as current.</param>
/// <param name="ToldMs">Age of what this host said about the VM; null: it said nothing.</param>
public sealed record VmHostRow(
    string Host, string Role, string State, double? HeardMs, bool IsStale, double? ToldMs, long? Epoch, string Disk,
    double? LinkMs);

/// <summary>One VM on the front page: the truth in one line, what a loss would mean, and the rows below it.</summary>
/// <param name="Word">PROTECTED, NOT PROTECTED, HOLDING, OFF, or UNKNOWN.</param>
/// <param name="AutomaticRoleChange">Whether no host is paused.</param>
/// <param name="Requested">What is wanted where it differs from what is; empty otherwise.</param>
/// <param name="Next">What the operator should do; "nothing to do" is an answer.</param>
public sealed record VmStatusView(
    string Name, string Word, string Detail, DateTimeOffset Since, long Term, long Epoch, string Mode,
    bool AutomaticRoleChange,
    IReadOnlyList<HostFate> IfDied, string Requested, string Why, string Next, IReadOnlyList<VmHostRow> Hosts,
    VmGauges? Gauges,
    RecentCheckpoints? Recent, CheckpointEntry? LastCheckpoint, string? Owner)
{
    /// <summary>Hosts that change no roles by themselves: the order for it binds the host that was asked.</summary>
    public IReadOnlyList<string> PausedOn { get; init; } = [];
}

/// <summary>The front page of a cluster as one node knows it.</summary>
public sealed record ClusterStatusView(
    int Version, string Node, DateTimeOffset Time, bool IsDegraded, IReadOnlyList<VmStatusView> Vms,
    IReadOnlyList<MemberView> Members,
    string Arbiter);
