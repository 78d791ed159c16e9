using Colo.Actors.Vm;
using Colo.Host.Cluster;
using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>
/// What are the twins doing? State, hosts, output, the last minute of checkpoints, the last events, the console.
/// </summary>
internal static class VmPage
{
    private const int EventsMax = 20;

    public static Html Render(NodeRuntime node, VmRecord vm, VmView view)
    {
        VmStatusView status = ClusterStatus.VmOf(node, vm, node.Members());
        string path = $"/vms/{Uri.EscapeDataString(view.Name)}";
        return Page.Frame(node, view.Name, Html.Of($"""
            <p class="tabs"><a href="{path}/timeline" accesskey="t">Timeline</a>
            <a href="{path}/checkpoints">Checkpoints</a> <a href="{path}/packets">Packets</a> <a href="{path}/disks">Disks</a>
            <a href="/history?vm={Uri.EscapeDataString(view.Name)}">Fail-overs</a></p>
            {OverviewPage.Card(status)}
            <h2>On this host</h2>
            {Facts(view)}
            {(status.Gauges is { } gauges ? Output(gauges) : Html.Empty)}
            {(status.Recent is { Count: > 0 } recent ? Recent(recent) : Html.Of($"<p>No checkpoint in the last minute.</p>"))}
            <h2>Last events</h2>
            {Page.Events(node.Events.Newest(view.Name, 2_000).Where(Page.IsNotable).Take(EventsMax))}
            <h2>Console</h2>
            <pre class="console" tabindex="0" aria-label="Serial console">{Printable(vm.Console.Tail())}</pre>
            <p>Commands: <code>colo console {view.Name}</code>, <code>colo switchover {view.Name}</code>, <code>colo checkpoint now {view.Name}</code>.</p>
            """), view.Name);
    }

    private static Html Facts(VmView view) => Html.Of($"""
        <dl><dt>role</dt><dd>{view.Role}</dd><dt>state</dt><dd>{view.State}{(view.WaitsFor.Length > 0 ? $", waits for {view.WaitsFor}" : string.Empty)}</dd>
        <dt>peer</dt><dd>{view.Peer ?? "none"}</dd><dt>mode</dt><dd>{view.Mode}</dd><dt>machine</dt><dd>{view.Gauges?.Machine ?? "-"},
        {view.MemoryBytes >> 20} MiB, {view.Harts} hart{(view.Harts == 1 ? string.Empty : "s")}</dd><dt>may be on</dt><dd>{string.Join(", ", view.Nodes)}</dd></dl>
        """);

    private static Html Output(VmGauges gauges) => Html.Of($"""
        <dl><dt>frames matched</dt><dd>{gauges.FramesMatched:N0}</dd><dt>by checkpoint</dt><dd>{gauges.FramesCommitted:N0}</dd>
        <dt>alone</dt><dd>{gauges.FramesSolo:N0}</dd><dt>had to wait</dt><dd>{gauges.FramesHeld:N0}</dd><dt>mismatches</dt><dd>{gauges.Mismatches:N0}</dd></dl>
        """);

    private static Html Recent(RecentCheckpoints recent) => Html.Of($"""
        <p>Last {recent.Seconds} s: {recent.Count} checkpoints
        ({string.Join(", ", recent.ByReason.OrderByDescending(reason => reason.Value).Select(reason => $"{reason.Key} {reason.Value}"))});
        pause p50 {Page.Ms(recent.PauseP50Ms)}, p99 {Page.Ms(recent.PauseP99Ms)}.</p>
        """);

    /// <summary>The guest's bytes without what would move a terminal's cursor.</summary>
    private static string Printable(byte[] tail) => new(
        [.. System.Text.Encoding.UTF8.GetString(tail.AsSpan(Math.Max(0, tail.Length - 4096)))
            .Where(letter => letter is '\n' or '\t' || !char.IsControl(letter))]);
}
