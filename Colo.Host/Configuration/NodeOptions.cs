using System.Net;
using Colo.Actors.Heartbeat;
using Colo.Actors.Links;

namespace Colo.Host.Configuration;

/// <summary>A node's settings, checked. See <c>hocon/reference.conf</c> for each key.</summary>
public sealed record NodeOptions
{
    public required string Name { get; init; }

    public required string StateDirectory { get; init; }

    public required IReadOnlyList<IPEndPoint> Listen { get; init; }

    public required bool IsWitness { get; init; }

    public required TlsOptions? Tls { get; init; }

    public required IReadOnlyList<PeerEndpoint> Peers { get; init; }

    public required ManagementOptions Management { get; init; }

    public required HeartbeatSettings Heartbeat { get; init; }

    public required ArbiterOptions Arbiter { get; init; }

    public required HookOptions Hooks { get; init; }

    public required IReadOnlyList<VmDefinition> Vms { get; init; }
}

/// <summary>PEM files of the node's certificate, its key and the cluster's CA.</summary>
public sealed record TlsOptions(string Certificate, string Key, string Authority);

/// <summary>The management listener; <paramref name="TokenFile"/> may be empty on loopback only.</summary>
public sealed record ManagementOptions(IPAddress Host, int Port, string TokenFile);

/// <summary>Heartbeat times; see the keys of <c>colo.heartbeat</c>.</summary>
public sealed record HeartbeatSettings(TimeSpan Interval, int Threshold, TimeSpan LostAfter, TimeSpan PauseAccepted)
{
    /// <summary>As the monitor takes them. The gateway is not asked yet.</summary>
    public HeartbeatOptions ToOptions() => new()
    {
        Interval = Interval,
        PhiThreshold = Threshold,
        LostAtMost = LostAfter,
        AcceptablePause = PauseAccepted,
        GatewayTimeout = TimeSpan.Zero,
    };
}

/// <summary>Kinds of arbiter.</summary>
public enum ArbiterKind
{
    None,
    Directory,
    Etcd,
    Witness,
}

/// <summary>The arbiter; only the members of its kind are set.</summary>
public sealed record ArbiterOptions(
    ArbiterKind Kind, TimeSpan Timeout, string Directory, IReadOnlyList<Uri> EtcdEndpoints, string EtcdPrefix, string WitnessNode);

/// <summary>Scripts by transition name (on-peer-lost, ...), without those that are not set.</summary>
public sealed record HookOptions(IReadOnlyDictionary<string, string> Scripts, TimeSpan Timeout);
