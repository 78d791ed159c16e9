using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Simulation.Oracle;

/// <summary>
/// L2: as long as nothing worse has happened than delays below the detection threshold, no host leaves a pair. A beat
/// may be late at its sender, on its way and at its receiver, so each may take a third of the threshold. And whatever
/// has happened, no host takes a peer for silent whose beats have come to it: then the host is the sick one.
/// </summary>
public sealed class DelayChecker(SimWorld world)
{
    private const long DelayMax = SimHost.SilenceMicros / 3;

    private readonly SortedDictionary<(Place At, Place From), (HostIdentity Who, long Time)> _arrived = [];
    private bool _onlyDelays = world.Options.LossPerMille == 0;

    /// <summary>There is a pair, and only delays have touched it.</summary>
    public bool Applies => _onlyDelays && world.Witness.Record is { Mode: ArbiterMode.Pair };

    /// <summary>Something that may cost a host its place in the pair.</summary>
    public void OnWorse() => _onlyDelays = false;

    public void OnDelay(long micros) => _onlyDelays &= micros < DelayMax;

    /// <summary>A beat has come to a host, which may be slow or stand still.</summary>
    public void OnBeat(Place at, HostIdentity from) =>
        _arrived[(at, world.PlaceOf(from.Host))] = (from, world.Scheduler.Now);

    public void OnSilence(Place at, HostIdentity peer)
    {
        (HostIdentity who, long time) = _arrived.GetValueOrDefault((at, world.PlaceOf(peer.Host)));
        long age = world.Scheduler.Now - time;
        if (who == peer && age < DelayMax)
        {
            throw new InvariantFailureException(
                "L2", $"{at} takes {peer} for silent, whose last beat came {age / 1000} ms ago");
        }
    }

    public void OnRecord(ArbiterRecord? before, ArbiterRecord after)
    {
        if (_onlyDelays && before is { Mode: ArbiterMode.Pair } && after.Mode == ArbiterMode.Solo)
        {
            throw new InvariantFailureException(
                "L2", $"{before} to {after}, and nothing was late by {DelayMax / 1000} ms");
        }
    }
}
