using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Who changed what? Effective options with their sources, and the orders that came to this node.</summary>
internal static class ConfigPage
{
    public static Html Render(NodeRuntime node, ConfigView view) => Page.Frame(node, "Configuration and audit", Html.Of($"""
        <h2>Orders</h2>
        {Page.Table(["time", "id", "VM", "order", "from", "state", "text"], view.Commands.Select(record => (IReadOnlyList<Html>)
        [
            Page.Moment(record.At), Html.Of($"<code>{record.Id}</code>"), Page.Text(record.Vm), Page.Text(record.Verb), Page.Text(record.From),
            Page.Text(record.State), Page.Text(record.Text),
        ]))}
        <h2>Options</h2>
        {Page.Table(["key", "value", "set in"], view.Entries.Select(entry => (IReadOnlyList<Html>)
            [Html.Of($"<code>{entry.Key}</code>"), Html.Of($"<code>{entry.Value}</code>"), Page.Text(entry.Source)]))}
        """));
}
