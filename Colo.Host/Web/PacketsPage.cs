using Colo.Actors.Network;
using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Why do they diverge? Connections on both sides, and the last mismatches by reason.</summary>
internal static class PacketsPage
{
    public static Html Render(NodeRuntime node, VmRecord vm, PacketsView view) => Page.Frame(
        node, $"Packets of {view.Vm}", Html.Of($"""
        {Where(view)}
        <h2>Connections</h2>
        <p>Sequence and acknowledgement numbers as the client sees them; offset: what the rewriter adds for this
        host's guest.</p>
        {Page.Table(
            [
                "connection", "released to", "primary sent", "secondary sent", "ahead", "acknowledged", "primary",
                "secondary", "offset", "held", "to compare", "state",
            ],
            view.Connections.Select(Row))}
        <h2>Mismatches</h2>
        <p>{Reasons(view)}
        {Toggle(view)}</p>
        {Page.Table(Headings(view), view.Mismatches.Select(entry => Row(entry, view.ShowsPayload)))}
        <p>Live: <code>colo tap {view.Vm}</code>, <code>colo tap {view.Vm} --mismatch</code>.</p>
        """), vm.Definition.Name);

    private static Html Where(PacketsView view) => view.Compares
        ? Html.Of($"<p>{view.Host} compares ({view.Role}).</p>")
        : Html.Of($"""
            <p class="warning">! {view.Host} ({view.Role}) compares nothing now: the primary does, and only where the
            machine is Colo's own.</p>
            """);

    private static string Reasons(PacketsView view) => view.Mismatches.Count == 0
        ? "None in this life of the node."
        : string.Join(", ", view.ByReason.Select(reason => $"{reason.Key} {reason.Value}"));

    private static Html Toggle(PacketsView view) => view.ShowsPayload
        ? Html.Of($"<a href=\"?\">Hide payloads</a>")
        : Html.Of($"<a href=\"?payload=true\">Show payloads</a> (data of the guest's clients)");

    private static IReadOnlyList<string> Headings(PacketsView view) => view.ShowsPayload
        ? ["time", "card", "reason", "connection", "epoch", "offset", "bytes", "primary's", "secondary's"]
        : ["time", "card", "reason", "connection", "epoch", "offset", "bytes"];

    private static IReadOnlyList<Html> Row(ConnectionView view) =>
    [
        Html.Of($"<code>{view.Connection}</code>"), Number(view.ReleasedTo), Number(view.PrimarySent),
        Number(view.SecondarySent), Page.Text(view.AheadBytes is { } ahead ? $"{ahead:N0}" : "-"),
        Number(view.ReleasedAck), Number(view.PrimaryAck), Number(view.SecondaryAck), Number(view.RewriterOffset),
        Html.Of($"{view.Held}"), Html.Of($"{view.SecondaryWaiting}"),
        view.HasDiffered ? Html.Of($"<span class=\"warning\">! differs</span>")
            : Page.Text(view.IsPassThrough ? "passes" : view.Held > 0 ? "waits" : "in step"),
    ];

    private static IReadOnlyList<Html> Row(TapEntry entry, bool payload)
    {
        IReadOnlyList<Html> cells =
        [
            Page.Moment(entry.Time), Html.Of($"{entry.Nic}"), Page.Text(entry.Reason.ToString()),
            Html.Of($"<code>{entry.Connection}</code>"), Html.Of($"{entry.Epoch}"),
            Page.Text(entry.Offset is { } offset ? $"{offset:N0}" : "-"), Page.Text(BytesOf(entry)),
        ];
        return payload
            ?
            [
                .. cells, Html.Of($"<code>{entry.PrimaryPayload ?? "-"}</code>"),
                Html.Of($"<code>{entry.SecondaryPayload ?? "-"}</code>"),
            ]
            : cells;
    }

    /// <summary>The two bytes that differ; the page and the command line say them alike.</summary>
    public static string BytesOf(TapEntry entry) => entry.Offset is null ? "-"
        : $"{Byte(entry.PrimaryByte)} / {Byte(entry.SecondaryByte)}";

    private static string Byte(int? value) => value is { } known ? $"0x{known:x2}" : "none";

    private static Html Number(uint? value) => Page.Text(value is { } known ? $"{known}" : "-");
}
