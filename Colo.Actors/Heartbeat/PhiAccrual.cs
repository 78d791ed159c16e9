using Colo.Actors.Protocol;

namespace Colo.Actors.Heartbeat;

/// <summary>
/// How suspicious the silence of one link is (Hayashibara et al., "The phi accrual failure detector", 2004): phi is minus
/// the logarithm of the probability that a heartbeat comes even later, taking the intervals seen as normally distributed.
/// </summary>
internal sealed class PhiAccrual
{
    private const int SamplesMax = 200;
    private readonly double[] samples = new double[SamplesMax];
    private readonly double deviationMin;
    private int count;
    private int next;
    private double sum;
    private double squares;

    /// <param name="expected">The interval before any has been seen.</param>
    public PhiAccrual(TimeSpan expected)
    {
        deviationMin = expected.TotalMilliseconds / 2;
        Add(expected.TotalMilliseconds);
    }

    public Instant? LastHeard { get; private set; }

    public void Heard(Instant now)
    {
        if (LastHeard is { } last)
        {
            Add((now - last).TotalMilliseconds);
        }

        LastHeard = now;
    }

    /// <summary>The link is new or this host itself was stopped: the interval that is under way says nothing.</summary>
    public void Forgive(Instant now) => LastHeard = LastHeard is null ? null : now;

    public double Phi(Instant now)
    {
        if (LastHeard is not { } last)
        {
            return double.PositiveInfinity;
        }

        double mean = sum / count;
        double deviation = Math.Max(deviationMin, Math.Sqrt(Math.Max(0, (squares / count) - (mean * mean))));
        double late = ((now - last).TotalMilliseconds - mean) / deviation;
        // The logistic approximation of the normal distribution's tail, which needs no error function.
        double e = Math.Exp(-late * (1.5976 + (0.070566 * late * late)));
        return late > 0 ? -Math.Log10(e / (1 + e)) : -Math.Log10(1 - (1 / (1 + e)));
    }

    private void Add(double milliseconds)
    {
        if (count == SamplesMax)
        {
            sum -= samples[next];
            squares -= samples[next] * samples[next];
        }
        else
        {
            count++;
        }

        samples[next] = milliseconds;
        sum += milliseconds;
        squares += milliseconds * milliseconds;
        next = (next + 1) % SamplesMax;
    }
}
