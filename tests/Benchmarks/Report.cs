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
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{figure.Name,-44} {figure.Median,16:N1} {figure.Unit,-10} ({figure.Lowest:N1} to {figure.Highest:N1})"));
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
}

/// <summary>One measured value.</summary>
internal sealed record Figure(string Name, string Unit, double Median, double Lowest, double Highest);
