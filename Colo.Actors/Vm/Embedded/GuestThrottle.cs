namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// Lets a guest stand still for a share of its time, once in each period, so that the copy of its memory wins. Has a
/// thread only while there is something to hold back. Any thread may set the share; with 0 the guest is let go before
/// the call returns, and is not held again.
/// </summary>
internal sealed class GuestThrottle(Action hold, Action letGo)
{
    /// <summary>Short enough that clients see a slow guest and not one that stops.</summary>
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(50);

    private readonly object gate = new();
    private double share;
    private bool works;

    public void Set(double wanted)
    {
        lock (gate)
        {
            share = Math.Clamp(wanted, 0, 1);
            if (share == 0)
            {
                letGo();
                System.Threading.Monitor.PulseAll(gate);
            }
            else if (!works)
            {
                works = true;
                new Thread(Work) { IsBackground = true, Name = "colo throttle" }.Start();
            }
        }
    }

    private void Work()
    {
        lock (gate)
        {
            while (share > 0)
            {
                hold();
                System.Threading.Monitor.Wait(gate, Period * share);
                letGo();
                if (share > 0)
                {
                    System.Threading.Monitor.Wait(gate, Period * (1 - share));
                }
            }

            works = false;
        }
    }
}
