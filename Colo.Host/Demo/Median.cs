namespace Colo.Host.Demo;

/// <summary>The middle of what was measured.</summary>
internal static class Median
{
    /// <summary>Of an even number of values the mean of the two in the middle; 0 of none.</summary>
    public static double Of(IEnumerable<double> values)
    {
        double[] ordered = [.. values.Order()];
        return ordered.Length == 0 ? 0 : (ordered[(ordered.Length - 1) / 2] + ordered[ordered.Length / 2]) / 2;
    }
}
