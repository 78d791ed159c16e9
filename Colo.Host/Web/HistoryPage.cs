using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Every change of owner that this host has seen.</summary>
internal static class HistoryPage
{
    public static Html Render(NodeRuntime node, IReadOnlyList<FailoverReport> reports) => Page.Frame(node, "Fail-overs", Html.Of($"""
        {(reports.Count == 0 ? Html.Of($"<p>None seen by this host.</p>") : Html.Empty)}
        {Page.Table(["report", "time", "VM", "kind", "cause", "term", "answers again after", "protected again after", "outcome"], reports.Select(Row))}
        """));

    private static IReadOnlyList<Html> Row(FailoverReport report) =>
    [
        Html.Of($"<a href=\"/history/{report.Id}\">{report.Id}</a>"), Page.Moment(report.At), Page.Text(report.Vm),
        Page.Text(report.Kind),
        Page.Text(report.Cause), Html.Of($"{report.Term}"), Page.Text(Page.Ms(report.RunningMs)),
        Page.Text(Page.Ms(report.ProtectedMs)),
        Page.Text(report.Outcome),
    ];
}
