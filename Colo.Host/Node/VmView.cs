using Colo.Actors.Vm;

namespace Colo.Host.Node;

/// <summary>A VM as the management HTTP shows it from one host's point of view.</summary>
public sealed record VmView(
    string Name, string Host, string Role, string Protection, long Term, long Epoch, string? Peer, string State,
    string WaitsFor,
    DateTimeOffset Since, long Checkpoints, VmGauges? Gauges)
{
    /// <summary>colo, periodic or auto: the definition's, or what was ordered since on this host.</summary>
    public string Mode { get; init; } = string.Empty;

    /// <summary>Nodes that may hold it, in the order of the definition.</summary>
    public IReadOnlyList<string> Nodes { get; init; } = [];

    public long MemoryBytes { get; init; }

    public int Harts { get; init; }

    /// <summary>Number of its replicated disks, and whether it was created at run time.</summary>
    public int ReplicatedDisks { get; init; }

    public bool CreatedAtRunTime { get; init; }

    /// <summary>False during maintenance: nothing changes roles by itself on this host.</summary>
    public bool AutomaticRoleChange { get; init; } = true;

    /// <summary>The last checkpoint that this host took; null when it took none.</summary>
    public CheckpointEntry? LastCheckpoint { get; init; }

    public RecentCheckpoints? Recent { get; init; }

    /// <summary>A copy under way, 0 to 100; null when none runs.</summary>
    public double? ResyncPercent { get; init; }

    /// <summary>Seconds that it will still take at the speed so far; null when that is not known.</summary>
    public double? ResyncSecondsLeft { get; init; }

    /// <summary>What is known of a guest that no longer answers while its host is well; empty while it does, and when
    /// nobody asks it.</summary>
    public string GuestSilent { get; init; } = string.Empty;

    /// <summary>Why it is not protected, in words; empty while it is.</summary>
    public string Why { get; init; } = string.Empty;
}
