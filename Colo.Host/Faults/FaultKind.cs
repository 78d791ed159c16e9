namespace Colo.Host.Faults;

/// <summary>A fault of the catalogue (docs/operations.md).</summary>
/// <param name="Id">F01 to F40, as in simulation and reports.</param>
/// <param name="Name">In words.</param>
/// <param name="Needs">What an injection has to name besides its time: nothing, vm, peer, or vm and latency. Null: it
/// is not done for real here.</param>
public sealed record FaultKind(string Id, string Name, string? Needs)
{
    public bool IsReal => Needs is not null;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<FaultKind> Catalogue { get; } =
    [
        new("F01", "crash of this node's process", ""),
        new("F02", "crash with the disk lost", null),
        new("F03", "crashes in a row", null),
        new("F04", "short pause of this node's process", ""),
        new("F05", "long pause of this node's process", ""),
        new("F06", "slow host", null),
        new("F07", "clock drift", null),
        new("F08", "step of the wall clock", null),
        new("F09", "link loss, both ways", "peer"),
        new("F10", "link loss, one way: this node does not hear the peer", "peer"),
        new("F11", "loss, duplication, reordering", null),
        new("F12", "delay, jitter, bandwidth", null),
        new("F13", "clog and burst", null),
        new("F14", "stream reset", null),
        new("F15", "corrupt frame", null),
        new("F16", "replay of an old message", null),
        new("F17", "one channel dead", null),
        new("F18", "client side", null),
        new("F19", "disk read error", "vm"),
        new("F20", "disk write error", "vm"),
        new("F21", "slow disk", "vm and latency"),
        new("F22", "crash loses unflushed writes", null),
        new("F23", "misdirected write, bit rot", null),
        new("F24", "disk buffer full", null),
        new("F25", "replicas diverge", null),
        new("F26", "one replica hangs", null),
        new("F27", "guest reboots or powers off", null),
        new("F28", "guest dirties memory faster than the link", null),
        new("F29", "packet storm", null),
        new("F30", "an actor's handler throws", "vm"),
        new("F31", "a queue at its bound", null),
        new("F32", "memory refused", null),
        new("F33", "witness away", null),
        new("F34", "witness loses its last write", null),
        new("F35", "correlated losses", null),
        new("F36", "version skew", null),
        new("F37", "operator's commands at the same time", null),
        new("F38", "edge restarts", null),
        new("F39", "repeated fail-overs", null),
        new("F40", "copy breaks in the middle", null),
    ];
}
