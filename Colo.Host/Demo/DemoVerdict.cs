using System.Globalization;
using Spectre.Console;

namespace Colo.Host.Demo;

/// <summary>How a demo ends: a table of the faults, which fits into 80 columns, and a sentence.</summary>
internal static class DemoVerdict
{
    private static readonly string[] Headings =
    [
        "lost\nhost", "fault", "noticed", "term\nwon", "taken\nover", "download\nstood", "requests\nstood",
        "protected\nagain",
    ];

    /// <param name="error">What the download said at its end, or null.</param>
    public static void Write(IAnsiConsole console, DemoReport report, string? error)
    {
        Table table = new Table().Title("what the faults cost, in milliseconds").Border(TableBorder.Simple);
        foreach (string heading in Headings)
        {
            bool isWord = heading == Headings[0] || heading == Headings[1];
            table.AddColumn(new TableColumn(heading) { Alignment = isWord ? Justify.Left : Justify.Right });
        }

        foreach (FaultReport fault in report.Faults)
        {
            table.AddRow(
                fault.Host, fault.Kind, Ms(fault.DetectMs), Ms(fault.TermMs), Ms(fault.TakeoverMs),
                Ms(fault.DownloadGapMs), Ms(fault.RequestGapMs), Ms(fault.ReprotectMs));
        }

        console.Write(table);
        console.MarkupLine(
            CultureInfo.InvariantCulture, "checkpoints {0}, of them for differing answers {1}", report.Checkpoints,
            report.Mismatches);
        console.MarkupLine(
            CultureInfo.InvariantCulture,
            report.ConnectionSurvived && report.HashOk
                ? "[green]SURVIVED[/]: one TCP connection, {0} bytes, every one of them right"
                : "[red]FAILED[/] after {0} bytes: {1}",
            report.Bytes, Markup.Escape(error ?? "the second client was answered wrongly or not at all"));
    }

    private static string Ms(double value) => string.Create(CultureInfo.InvariantCulture, $"{value:0}");
}
