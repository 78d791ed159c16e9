using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// How long an owner leaves a joiner alone with which it failed to make a pair. A failed attempt may have copied a disk
/// and may have made the guest stand, so that it must not go on once a second for ever. The first attempt after a
/// failure comes with the next offer, each further one after twice the time. A joiner in a new life begins anew.
/// </summary>
internal sealed class JoinBackoff(FailoverOptions options)
{
    private HostIdentity? joiner;
    private Instant notBefore;

    /// <summary>Failures in a row.</summary>
    public int Failures { get; private set; }

    public bool Allows(Instant now, HostIdentity offering) => offering != joiner || now >= notBefore;

    /// <returns>How long this joiner's offers are left unanswered from now on.</returns>
    public TimeSpan Fail(Instant now, HostIdentity failed)
    {
        Failures = failed == joiner ? Failures + 1 : 1;
        joiner = failed;
        TimeSpan wait = options.OfferInterval;
        for (int doubling = 1; doubling < Failures && wait < options.JoinRetryMax; doubling++)
        {
            wait *= 2;
        }

        wait = wait < options.JoinRetryMax ? wait : options.JoinRetryMax;
        notBefore = now + wait;
        return wait;
    }

    public void Forget()
    {
        joiner = null;
        Failures = 0;
    }
}
