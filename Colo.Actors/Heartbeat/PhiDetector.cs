using Colo.Actors.Protocol;

namespace Colo.Actors.Heartbeat;

/// <summary>
/// Phi-accrual detector of one link (Hayashibara et al., "The phi accrual failure detector", SRDS 2004), in integers,
/// because decisions must not depend on floating point. Instead of phi of a moment it gives the moment at which phi
/// passes the threshold: the mean of the last intervals plus the normal quantile of 10^-phi times their deviation.
/// </summary>
public sealed class PhiDetector(HeartbeatOptions options)
{
    private const int Samples = 64;

    /// <summary>One-sided normal quantiles of 10^-1 to 10^-12, in thousandths.</summary>
    private static readonly int[] Quantiles = [1282, 2326, 3090, 3719, 4265, 4753, 5199, 5612, 5998, 6361, 6706, 7034];

    private readonly long[] _intervals = new long[Samples]; // microseconds
    private int _count;
    private int _next;
    private long _sum;
    private long _sumOfSquares;

    public Instant Last { get; private set; }

    public void Heard(Instant now)
    {
        if (_count > 0 || Last != Instant.Zero)
        {
            Add(Math.Min((now - Last).Ticks / 10, options.LostAtMost.Ticks / 10));
        }

        Last = now;
    }

    /// <summary>The silence was this process's own.</summary>
    public void Forgive(TimeSpan stall, Instant now)
    {
        Instant moved = Last + stall;
        Last = moved < now ? moved : now;
    }

    /// <summary>The link starts anew: what its predecessor's rhythm was says nothing.</summary>
    public void Restart(Instant now)
    {
        (_count, _next, _sum, _sumOfSquares) = (0, 0, 0, 0);
        Last = now;
    }

    /// <summary>From this moment on the silence is a loss.</summary>
    public Instant Deadline()
    {
        long interval = options.Interval.Ticks / 10;
        long mean = _count < 4 ? interval : Math.Max(interval, _sum / _count);
        long variance = _count < 4 ? 0 : Math.Max(0, (_sumOfSquares / _count) - (_sum / _count * (_sum / _count)));
        long deviation = Math.Max(options.DeviationMin.Ticks / 10, SquareRoot(variance));
        long allowed = mean + (deviation * Quantiles[options.PhiThreshold - 1] / 1000) + (options.AcceptablePause.Ticks / 10);
        return Last + TimeSpan.FromTicks(Math.Min(allowed * 10, options.LostAtMost.Ticks));
    }

    private void Add(long interval)
    {
        if (_count == Samples)
        {
            long old = _intervals[_next];
            _sum -= old;
            _sumOfSquares -= old * old;
        }
        else
        {
            _count++;
        }

        _intervals[_next] = interval;
        _next = (_next + 1) % Samples;
        _sum += interval;
        _sumOfSquares += interval * interval;
    }

    private static long SquareRoot(long value)
    {
        long root = 0;
        for (long bit = 1L << 31; bit > 0; bit >>= 1)
        {
            long candidate = root | bit;
            if (candidate <= value / candidate)
            {
                root = candidate;
            }
        }

        return root;
    }
}
