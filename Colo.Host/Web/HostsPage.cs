using Colo.Host.Cluster;
using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Who can take over? Liveness, links and memory of every node, and what this node finds wrong.</summary>
internal static class HostsPage
{
    public static Html Render(NodeRuntime node) => Page.Frame(node, "Hosts and witness", Html.Of($"""
        {Table(node.Members())}
        <h2>Checks</h2>
        {Page.Table(["group", "what", "status", "found", "next"], HealthCheck.All(node).Select(check => (IReadOnlyList<Html>)
        [
            Page.Text(check.Group), Page.Text(check.Name),
            Html.Of($"<span class=\"{Kind(check.Status)}\">{Symbol(check.Status)} {check.Status}</span>"), Page.Text(check.Text), Page.Text(check.Hint),
        ]))}
        """));

    public static Html Table(IReadOnlyList<MemberView> members) => Page.Table(
        ["node", "roles", "status", "heard", "networks", "round trip", "free memory", "VMs", "failure domain"],
        members.Select(member => (IReadOnlyList<Html>)
        [
            Page.Text(member.Node), Page.Text(string.Join(", ", member.Roles)), Status(member),
            Page.Text(Page.Ms(member.HeardMs)),
            Html.Join(
                member.LinksUp.Select(
                (up, number) =>
                Html.Of($"<span class=\"{(up ? "good" : "error")}\">{number}{(up ? "✓" : "✗")}</span> "))),
            Page.Text(Page.Ms(member.LinkMs)),
            Page.Text(
                member.Facts is { TotalMemoryBytes: > 0 } facts
                ? $"{facts.FreeMemoryBytes >> 20} of {facts.TotalMemoryBytes >> 20} MiB" : "-"),
            Page.Text(member.Facts is { } known ? $"{known.Vms} ({known.Primaries} owned)" : "-"),
            Page.Text(member.Facts?.FailureDomain),
        ]));

    private static Html Status(MemberView member) => member switch
    {
        { Status: "Unreachable" } => Html.Of($"<span class=\"error\">✗ unreachable: {member.Lost}</span>"),
        { Status: "Joining" } => Html.Of($"<span class=\"warning\">! never heard</span>"),
        { Facts.IsDraining: true } => Html.Of($"<span class=\"warning\">! drained</span>"),
        { IsFresh: false } => Html.Of($"<span class=\"warning\">! stale</span>"),
        _ => Html.Of($"<span class=\"good\">✓ up</span>"),
    };

    private static string Kind(string status) => status switch { "ok" => "good", "warning" => "warning", _ => "error" };

    private static string Symbol(string status) => status switch { "ok" => "✓", "warning" => "!", _ => "✗" };
}
