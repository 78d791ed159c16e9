using System.Globalization;
using System.Text.Json;

namespace Colo.Benchmarks;

/// <summary>
/// The figures of one suite: each the median of several rounds, with the lowest and highest round beside it.
/// </summary>
internal sealed class Report(string suite)
{
    private readonly List<Figure> _figures = [];

    /// <summary>Runs two rounds that do not count and then <paramref name="rounds"/> that do.</summary>
    public void Measure(string name, string unit, Func<double> round, int rounds = 5)
    {
        for (var i = 0; i < 2; i++)
        {
            round();
        }

        var values = new double[rounds];
        for (var i = 0; i < rounds; i++)
        {
            values[i] = round();
        }

        Array.Sort(values);
        Add(new Figure(name, unit, values[rounds / 2], values[0], values[^1]));
    }

    public void Add(Figure figure)
    {
        _figures.Add(figure);
        var digits = figure.Target is null ? "N1" : "N3";
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{figure.Name,-44} {figure.Median.ToString(digits, CultureInfo.InvariantCulture),16} {figure.Unit,-10} {Remark(figure)}"));
    }

    /// <summary>A ratio that the project has promised to be at least <paramref name="target"/>.</summary>
    public void AtLeast(string name, double target, params ReadOnlySpan<double> ratios) =>
        AddRatio(name, ratios, string.Create(CultureInfo.InvariantCulture, $"at least {target}"), median => median >= target);

    /// <summary>A ratio that the project has promised to be at most <paramref name="target"/>.</summary>
    public void AtMost(string name, double target, params ReadOnlySpan<double> ratios) =>
        AddRatio(name, ratios, string.Create(CultureInfo.InvariantCulture, $"at most {target}"), median => median <= target);

    /// <summary>A figure with a unit, promised to be at most <paramref name="target"/>.</summary>
    public void AtMost(string name, string unit, double target, double median, double lowest, double highest) => Add(
        new Figure(
            name, unit, median, lowest, highest, string.Create(CultureInfo.InvariantCulture, $"at most {target}"), median <= target));

    /// <summary>Which of the promised ratios were met; called once, at the end.</summary>
    public void Summarize()
    {
        var asked = _figures.Where(figure => figure.Hit is not null).ToArray();
        if (asked.Length > 0)
        {
            Console.WriteLine($"{asked.Count(figure => figure.Hit == true)} of {asked.Length} targets hit");
        }
    }

    public void WriteJson(string path)
    {
        var document = new
        {
            suite,
            processors = Environment.ProcessorCount,
            runtime = Environment.Version.ToString(),
            serverGc = System.Runtime.GCSettings.IsServerGC,
            figures = _figures,
        };
        File.WriteAllText(path, JsonSerializer.Serialize(document, JsonSerializerOptions.Web));
    }

    private static string Remark(Figure figure) => figure.Target is null
        ? string.Create(CultureInfo.InvariantCulture, $"({figure.Lowest:N1} to {figure.Highest:N1})")
        : string.Create(
            CultureInfo.InvariantCulture,
            $"({figure.Lowest:N3} to {figure.Highest:N3}) {figure.Target}: {(figure.Hit == true ? "hit" : "MISS")}");

    private void AddRatio(string name, ReadOnlySpan<double> ratios, string target, Func<double, bool> isHit)
    {
        var sorted = ratios.ToArray();
        Array.Sort(sorted);
        var median = sorted[sorted.Length / 2];
        Add(new Figure(name, "x", median, sorted[0], sorted[^1], target, isHit(median)));
    }
}
