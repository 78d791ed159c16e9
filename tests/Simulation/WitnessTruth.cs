using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// What the witness has granted, whether or not its storage still has it. A record that was lost counts as long as a
/// member of its set can act on it: one that lives and knows it, or to which a yes is under way, or one that remembers
/// its term on disk. A record that no member knows was never in force.
/// </summary>
public sealed class WitnessTruth(SimWorld world)
{
    private readonly List<ArbiterRecord> _granted = [];
    private readonly SortedDictionary<Place, (HostIdentity Host, Term Term)> _told = [];

    public ArbiterRecord? Record => _granted.Count > 0 ? _granted[^1] : null;

    /// <summary>It was granted, and another one after it.</summary>
    public bool IsPast(ArbiterRecord record) => record != Record && _granted.Contains(record);

    /// <param name="current">What the witness has, and has judged the proposal by.</param>
    public void Grant(ArbiterRecord? current, ArbiterRecord next, ArbiterProposal proposal)
    {
        ArbiterRecord? before = InForce(current);
        _granted.RemoveRange(Count(before), _granted.Count - Count(before));
        world.Oracle.OnRecord(before, next, proposal, forgotten: before != current);
        _granted.Add(next);
    }

    /// <summary>An answer is on its way.</summary>
    public void Tell(Place to, ArbiterAnswer answer)
    {
        Term term = answer switch
        {
            ArbiterAnswer.Granted granted => granted.Record.Term,
            ArbiterAnswer.Refused { Current: { } current } => current.Term,
            _ => Term.Zero,
        };
        SimHost host = world.Host(to);
        bool same = _told.TryGetValue(to, out (HostIdentity Host, Term Term) told) && told.Host == host.Identity;
        _told[to] = (host.Identity, same && told.Term > term ? told.Term : term);
    }

    /// <summary>
    /// The budget of F34. One witness cannot promise more: a host that was put out of the set by what is lost, that
    /// still runs its guest and has not heard of it, could win the same term a second time.
    /// </summary>
    public bool MayFallBackTo(ArbiterRecord old)
    {
        ArbiterRecord? inForce = InForce(old);
        return !world.Hosts.Any(host =>
            host.Vm is { Protocol: { HoldsGuest: true } protocol } vm && old.InSync(vm.Identity)
            && inForce?.InSync(vm.Identity) == false && (protocol.Failover.Record?.Term ?? Term.Zero) <= old.Term);
    }

    /// <summary>The newest record that a member knows, or what the witness has.</summary>
    private ArbiterRecord? InForce(ArbiterRecord? current)
    {
        int last = _granted.Count - 1;
        while (last >= 0 && _granted[last] != current && !IsKnown(_granted[last]))
        {
            last--;
        }

        return last < 0 ? null : _granted[last];
    }

    private int Count(ArbiterRecord? last) => last is null ? 0 : _granted.LastIndexOf(last) + 1;

    private bool IsKnown(ArbiterRecord record) => world.Hosts.Any(host =>
        host.Remembered >= record.Term
        || (host.Vm is { } vm && record.InSync(vm.Identity)
            && (vm.Protocol.Failover.Record?.Term >= record.Term
                || (_told.TryGetValue(host.Place, out (HostIdentity Host, Term Term) told)
                    && told.Host == vm.Identity && told.Term >= record.Term))));
}
