using Colo.Host.Faults;
using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Does it really work? The faults, those under way, and what was injected.</summary>
internal static class FaultsPage
{
    public static Html Render(NodeRuntime node, FaultsView view) => Page.Frame(node, "Drills and faults", Html.Of($"""
        {Allowed(view)}
        <h2>Injections</h2>
        {(view.Injections.Count == 0 ? Html.Of($"<p>None in this life of the node.</p>") : Html.Empty)}
        {Page.Table(
            ["number", "fault", "what", "VM", "peer", "time limit", "began", "ended", "state"],
            view.Injections.Select(Row))}
        <h2>Past drills</h2>
        <p><code>colo drill failover VM</code> is asked of the secondary's node, which keeps the report.</p>
        {Page.Table(
            ["time", "VM", "kill", "victim", "detect", "term", "takeover", "protected", "gap", "load", "outcome"],
            node.Drills.Reports.Select(Row))}
        <h2>Catalogue</h2>
        {Page.Table(["fault", "what", "here"], view.Catalogue.Select(kind => (IReadOnlyList<Html>)
        [
            Page.Text(kind.Id), Page.Text(kind.Name),
            kind.IsReal ? Html.Of($"<code>{Command(kind)}</code>") : Page.Text("not done for real"),
        ]))}
        """));

    private static Html Allowed(FaultsView view) => view.Allowed
        ? Html.Of($"<p class=\"warning\">! {view.Host} takes faults (colo.drills.allowed).</p>")
        : Html.Of($"<p>{view.Host} takes no faults: it was started without <code>colo.drills.allowed</code>.</p>");

    private static string Command(FaultKind kind) => $"colo fault inject {kind.Id}"
        + (kind.Needs!.Contains("vm", StringComparison.Ordinal) ? " --vm VM" : string.Empty)
        + (kind.Needs == "peer" ? " --peer NODE" : string.Empty)
        + (kind.Needs.Contains("latency", StringComparison.Ordinal) ? " --latency 50ms" : string.Empty)
        + (kind.Id is "F01" or "F30" ? string.Empty : " --for 10s");

    private static IReadOnlyList<Html> Row(RunningFault fault) =>
    [
        Html.Of($"{fault.Number}"), Page.Text(fault.Fault), Page.Text(fault.Name), Page.Text(fault.Vm),
        Page.Text(fault.Peer), Page.Text($"{fault.Seconds:0.###} s"), Page.Moment(fault.Began),
        fault.Ended is { } ended ? Page.Moment(ended) : Page.Text("-"),
        fault.How == "running" ? Html.Of($"<span class=\"warning\">! running</span>") : Page.Text(fault.How),
    ];

    private static IReadOnlyList<Html> Row(DrillReport drill) =>
    [
        Page.Moment(drill.At), Page.Text(drill.Vm), Page.Text(drill.Kill), Page.Text(drill.Victim),
        Page.Text(Page.Ms(drill.DetectMs)), Page.Text(Page.Ms(drill.TermMs)), Page.Text(Page.Ms(drill.TakeoverMs)),
        Page.Text(Page.Ms(drill.ProtectedMs)), Page.Text(Page.Ms(drill.GapMs)), Page.Text(drill.Load),
        drill.Outcome == "passed"
            ? Html.Of($"<span class=\"good\">✓ {drill.Outcome}</span>")
            : Html.Of($"<span class=\"error\">✗ {drill.Outcome}</span>: {drill.Text}"),
    ];
}
