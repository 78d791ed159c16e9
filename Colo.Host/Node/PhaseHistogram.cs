namespace Colo.Host.Node;

/// <summary>
/// Counts of durations by fixed upper bounds, as Prometheus wants them. Not for use by several threads at once.
/// </summary>
public sealed class PhaseHistogram
{
    private static readonly double[] Upper = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
    private readonly long[] counts = new long[Upper.Length];

    /// <summary>
    /// Upper bounds in seconds, rising; what is above all of them counts in <see cref="Count"/> only.
    /// </summary>
    public static IReadOnlyList<double> Bounds => Upper;

    public long Count { get; private set; }

    public double SumSeconds { get; private set; }

    public void Add(double seconds)
    {
        Count++;
        SumSeconds += seconds;
        for (int bound = 0; bound < Upper.Length; bound++)
        {
            counts[bound] += seconds <= Upper[bound] ? 1 : 0;
        }
    }

    /// <summary>How many were not above this bound.</summary>
    public long UpTo(int bound) => counts[bound];
}
