namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// Lets a guest stand still for a share of its time, once in each period, so that the copy of its memory wins. Any
/// thread may set the share; with 0 the guest is let go before the call returns, and is not held again.
/// </summary>
internal sealed class GuestThrottle : IDisposable
{
    /// <summary>Short enough that clients see a slow guest and not one that stops.</summary>
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(50);

    private readonly Action hold;
    private readonly Action letGo;
    private readonly Lock gate = new();
    private readonly ITimer timer;
    private double share;
    private bool holds;

    public GuestThrottle(Action hold, Action letGo, TimeProvider time)
    {
        this.hold = hold;
        this.letGo = letGo;
        timer = time.CreateTimer(_ => Turn(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Set(double wanted)
    {
        lock (gate)
        {
            bool worked = share > 0;
            share = Math.Clamp(wanted, 0, 1);
            if (share == 0)
            {
                After(Timeout.InfiniteTimeSpan);
                holds = false;
                letGo();
            }
            else if (!worked)
            {
                After(TimeSpan.Zero);
            }
        }
    }

    public void Dispose()
    {
        Set(0);
        timer.Dispose();
    }

    private void Turn()
    {
        lock (gate)
        {
            if (share == 0)
            {
                return; // it was on its way when the last word was said
            }

            holds = !holds;
            if (holds)
            {
                hold();
                After(Period * share);
            }
            else
            {
                letGo();
                After(Period * (1 - share));
            }
        }
    }

    private void After(TimeSpan time) => timer.Change(time, Timeout.InfiniteTimeSpan);
}
