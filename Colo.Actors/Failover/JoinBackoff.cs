using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// How long an owner leaves a joiner alone with which it failed to make a pair. A failed attempt may have copied a disk
/// and may have made the guest stand, so that it must not go on once a second for ever. The first attempt after a
/// failure comes with the next offer, each further one after twice the time. Each joiner has its own count, so that two
/// that fail in turn are left alone longer and longer as well. A joiner in a new life begins anew.
/// </summary>
internal sealed class JoinBackoff(FailoverOptions options)
{
    private readonly Dictionary<HostId, Attempts> joiners = [];

    public bool Allows(Instant now, HostIdentity offering) => Of(offering) is not { } failed || now >= failed.NotBefore;

    /// <summary>Another attempt with this joiner has failed.</summary>
    /// <returns>How many in a row have, and how long this joiner's offers are left unanswered from now on.</returns>
    public (int Failures, TimeSpan Wait) Fail(Instant now, HostIdentity failed)
    {
        int failures = (Of(failed)?.Failures ?? 0) + 1;
        TimeSpan wait = options.OfferInterval;
        for (int doubling = 1; doubling < failures && wait < options.JoinRetryMax; doubling++)
        {
            wait *= 2;
        }

        wait = wait < options.JoinRetryMax ? wait : options.JoinRetryMax;
        joiners[failed.Host] = new Attempts(failed, failures, now + wait);
        return (failures, wait);
    }

    public void Forget() => joiners.Clear();

    private Attempts? Of(HostIdentity joiner) =>
        joiners.TryGetValue(joiner.Host, out Attempts? attempts) && attempts.Joiner == joiner ? attempts : null;

    private sealed record Attempts(HostIdentity Joiner, int Failures, Instant NotBefore);
}
