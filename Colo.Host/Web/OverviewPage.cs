using Colo.Host.Cluster;
using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Is all well? A card for each VM, then the hosts, then what happened last that was not ordinary.</summary>
internal static class OverviewPage
{
    private const int AlertsMax = 10;

    public static Html Render(NodeRuntime node, ClusterStatusView status) => Page.Frame(node, "Overview", Html.Of($"""
        {(status.Vms.Count == 0 ? Html.Of($"<p>No VMs. <code>colo vm create</code> adds one.</p>") : Html.Empty)}
        <div class="cards">{status.Vms.Select(Card)}</div>
        <h2>Hosts and arbiter</h2>
        <p>Arbiter: {status.Arbiter}.</p>
        {HostsPage.Table(status.Members)}
        <h2>Warnings</h2>
        {Page.Events(node.Events.Newest(null, 2_000).Where(logged => logged.Severity != "Info").Take(AlertsMax))}
        """));

    /// <summary>Word, symbol and colour of a state; never the colour alone.</summary>
    public static Html Badge(string word)
    {
        (string symbol, string kind) = word switch
        {
            "PROTECTED" => ("✓", "good"),
            "NOT PROTECTED" => ("!", "warning"),
            "OFF" or "NOT RUNNING" => ("○", "off"),
            _ => ("✗", "error"),
        };
        return Html.Of($"<span class=\"badge {kind}\">{symbol} {word}</span>");
    }

    public static Html Card(VmStatusView vm) => Html.Of($"""
        <section class="card" aria-label="{vm.Name}">
        <h3><a href="/vms/{Uri.EscapeDataString(vm.Name)}">{vm.Name}</a> {Badge(vm.Word)}</h3>
        <p>{(vm.Detail.Length > 0 ? Html.Of($"<strong>{vm.Detail}</strong><br>") : Html.Empty)}since {Page.Moment(vm.Since)};
        term {vm.Term}, epoch {vm.Epoch:N0}; automatic role change: {Automatic(vm)}</p>
        <ul>{vm.IfDied.Select(fate => Html.Of($"<li class=\"{(fate.Survives ? "good" : "error")}\">{fate.Text}</li>"))}</ul>
        {(vm.Why.Length > 0 ? Html.Of($"<p>why: {vm.Why}</p>") : Html.Empty)}
        {(vm.Requested.Length > 0 ? Html.Of($"<p>{vm.Requested}</p>") : Html.Empty)}
        <p>next: {vm.Next}</p>
        {Rows(vm.Hosts)}
        </section>
        """);

    private static Html Automatic(VmStatusView vm) => vm.AutomaticRoleChange
        ? Html.Of($"on") : Html.Of($"<strong>OFF on {string.Join(", ", vm.PausedOn)}</strong>");

    public static Html Rows(IReadOnlyList<VmHostRow> rows) => Page.Table(
        ["host", "role", "state", "heard", "epoch", "disk", "link"],
        rows.Select(row => (IReadOnlyList<Html>)
        [
            Page.Text(row.Host), Page.Text(row.Role), Page.Text(row.State),
            row.IsStale
                ? Html.Of($"<span class=\"warning\">! stale {Page.Ms(row.HeardMs)}</span>")
                : Page.Text(Page.Ms(row.HeardMs)),
            Page.Text(row.Epoch is { } epoch ? $"{epoch:N0}" : "-"), Page.Text(row.Disk),
            Page.Text(Page.Ms(row.LinkMs)),
        ]));
}
