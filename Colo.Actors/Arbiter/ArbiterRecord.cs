using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// The small record per VM that the arbiter keeps, changed only by compare-and-set on <see cref="Term"/>. The in-sync
/// set is the primary and, in pair mode, the secondary: these two lives of these two hosts, and nobody else, hold the
/// guest's present state.
/// </summary>
/// <param name="Primary">Who releases. In solo mode the only owner; after a loss of all memory its host still has the
/// current disk.</param>
/// <param name="Secondary">Null in solo mode.</param>
/// <param name="PoweredOff">The guest has ended by itself or by order; a host that finds the record does not boot
/// it.</param>
public sealed record ArbiterRecord(VmId Vm, Term Term, HostIdentity Primary, HostIdentity? Secondary, bool PoweredOff = false)
{
    public ArbiterMode Mode => Secondary is null ? ArbiterMode.Solo : ArbiterMode.Pair;

    /// <summary>True when this very life of the host holds the guest's state.</summary>
    public bool InSync(HostIdentity identity) => Primary == identity || Secondary == identity;

    public bool IsSoloOf(HostIdentity identity) => Secondary is null && Primary == identity;

    /// <summary>The other member in pair mode, else null.</summary>
    public HostIdentity? PeerOf(HostIdentity identity) =>
        Primary == identity ? Secondary : Secondary == identity ? Primary : null;

    public override string ToString() =>
        Secondary is { } secondary ? $"{Term} pair {Primary}>{secondary}" : $"{Term} solo {Primary}{(PoweredOff ? " off" : "")}";
}
