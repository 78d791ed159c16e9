using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// How long an owner waits before it starts a machine again that failed. The first start comes at once, the second
/// failure in a row costs a second, each further one twice the time: what fails at every start would otherwise use up
/// terms as fast as the arbiter grants them. A machine that ran for <see cref="FailoverOptions.JoinRetryMax"/> begins
/// anew.
/// </summary>
internal sealed class RestartBackoff(FailoverOptions options)
{
    private int failures;
    private Instant allowed;

    /// <returns>How long to wait from now on; zero: not at all.</returns>
    public TimeSpan Fail(Instant now)
    {
        failures = failures == 0 || now - allowed > options.JoinRetryMax ? 1 : failures + 1;
        TimeSpan wait = failures == 1 ? TimeSpan.Zero : options.OfferInterval;
        for (int doubling = 2; doubling < failures && wait < options.JoinRetryMax; doubling++)
        {
            wait *= 2;
        }

        wait = wait < options.JoinRetryMax ? wait : options.JoinRetryMax;
        allowed = now + wait;
        return wait;
    }
}
