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

    /// <summary>Operator's word for what fails together with this node; empty: not said.</summary>
    public string FailureDomain { get; init; } = string.Empty;

    /// <summary>Whether operators may inject faults into this node.</summary>
    public bool DrillsAllowed { get; init; }

    /// <summary>How long a node that stops waits for its guests to be handed over or to shut down.</summary>
    public TimeSpan StopLimit { get; init; } = TimeSpan.FromSeconds(20);
}

/// <summary>PEM files of the node's certificate, its key and the cluster's CA.</summary>
public sealed record TlsOptions(string Certificate, string Key, string Authority);

/// <summary>The management listener; <paramref name="TokenFile"/> may be empty on loopback only.</summary>
public sealed record ManagementOptions(IPAddress Host, int Port, string TokenFile);

/// <summary>Heartbeat times; see the keys of <c>colo.heartbeat</c>.</summary>
public sealed record HeartbeatSettings(TimeSpan Interval, int Threshold, TimeSpan LostAfter, TimeSpan PauseAccepted)
{
    /// <summary>The gateway of the guests' LAN; null: not asked.</summary>
    public IPAddress? Gateway { get; init; }

    /// <summary>No answer of the gateway for so long counts as unreachable.</summary>
    public TimeSpan GatewayTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>As the monitor takes them.</summary>
    public HeartbeatOptions ToOptions() => new()
    {
        Interval = Interval,
        PhiThreshold = Threshold,
        LostAtMost = LostAfter,
        AcceptablePause = PauseAccepted,
        GatewayTimeout = Gateway is null ? TimeSpan.Zero : GatewayTimeout,
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
    ArbiterKind Kind, TimeSpan Timeout, string Directory, IReadOnlyList<Uri> EtcdEndpoints, string EtcdPrefix,
    string WitnessNode)
{
    /// <summary>User of etcd's own authentication; empty: none.</summary>
    public string EtcdUser { get; init; } = string.Empty;

    public string EtcdPasswordFile { get; init; } = string.Empty;

    /// <summary>PEM of the CA that etcd's certificate is checked against; empty: the CAs of the system.</summary>
    public string EtcdAuthority { get; init; } = string.Empty;
}

/// <summary>
/// Programs with their own first arguments, by transition name (on-peer-lost, ...), without those that are not set.
/// </summary>
public sealed record HookOptions(IReadOnlyDictionary<string, IReadOnlyList<string>> Scripts, TimeSpan Timeout);
