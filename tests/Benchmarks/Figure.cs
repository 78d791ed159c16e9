namespace Colo.Benchmarks;

/// <summary>One measured value, and what was asked of it.</summary>
internal sealed record Figure(
    string Name, string Unit, double Median, double Lowest, double Highest, string? Target = null, bool? Hit = null);
