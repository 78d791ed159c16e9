namespace Akka.Remote;

/// <summary>The last intervals between heartbeats with their mean and variance, kept as running sums.
/// Immutable.</summary>
internal sealed class HeartbeatHistory
{
    private readonly double[] _ring;
    private readonly double _sum;
    private readonly double _squaredSum;
    private readonly int _count;
    private readonly int _next;

    private HeartbeatHistory(double[] ring, int count, int next, double sum, double squaredSum)
    {
        _ring = ring;
        _count = count;
        _next = next;
        _sum = sum;
        _squaredSum = squaredSum;
    }

    internal double Mean => _sum / _count;

    internal double StandardDeviation
    {
        get
        {
            var mean = Mean;
            // Rounding of the running sums may leave a tiny negative variance.
            return Math.Sqrt(Math.Max(0, (_squaredSum / _count) - (mean * mean)));
        }
    }

    internal static HeartbeatHistory Create(int maxSampleSize)
    {
        if (maxSampleSize < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(maxSampleSize), $"maxSampleSize must be >= 1, got [{maxSampleSize}]");
        }

        return new HeartbeatHistory(new double[maxSampleSize], 0, 0, 0, 0);
    }

    /// <summary>Adds an interval; the oldest goes when the history is full. The receiver must not be used
    /// afterwards.</summary>
    internal HeartbeatHistory Add(double intervalMilliseconds)
    {
        if (intervalMilliseconds < 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(intervalMilliseconds), $"interval must be >= 0, got [{intervalMilliseconds}]");
        }

        var full = _count == _ring.Length;
        var oldest = full ? _ring[_next] : 0;
        _ring[_next] = intervalMilliseconds;
        return new HeartbeatHistory(
            _ring,
            full ? _count : _count + 1,
            (_next + 1) % _ring.Length,
            _sum - oldest + intervalMilliseconds,
            _squaredSum - (oldest * oldest) + (intervalMilliseconds * intervalMilliseconds));
    }
}
