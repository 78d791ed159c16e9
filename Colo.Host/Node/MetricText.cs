using System.Globalization;
using System.Text;

namespace Colo.Host.Node;

/// <summary>Writes the text form.</summary>
internal sealed class MetricText
{
    private readonly StringBuilder text = new();

    public void Begin(string name, string kind, string help) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {kind}\n");

    public void Sample(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        text.Append(name).Append('{');
        for (int index = 0; index < labels.Length; index++)
        {
            text.Append(index == 0 ? string.Empty : ",").Append(labels[index].Name).Append("=\"")
                .Append(Escape(labels[index].Value)).Append('"');
        }

        text.Append(CultureInfo.InvariantCulture, $"}} {value}\n");
    }

    public void Histogram(string name, PhaseHistogram histogram, (string Name, string Value)[] labels)
    {
        for (int bound = 0; bound < PhaseHistogram.Bounds.Count; bound++)
        {
            Sample(name
                + "_bucket", histogram.UpTo(bound),
                [.. labels, ("le", PhaseHistogram.Bounds[bound].ToString(CultureInfo.InvariantCulture))]);
        }

        Sample(name + "_bucket", histogram.Count, [.. labels, ("le", "+Inf")]);
        Sample(name + "_sum", histogram.SumSeconds, labels);
        Sample(name + "_count", histogram.Count, labels);
    }

    public override string ToString() => text.ToString();

    private static string Escape(string value) => value.Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
