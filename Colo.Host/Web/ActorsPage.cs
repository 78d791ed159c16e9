using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Is the software well? Every actor and how long a question waited in its mailbox.</summary>
internal static class ActorsPage
{
    public static Html Render(NodeRuntime node, IReadOnlyList<ActorView> actors) =>
        Page.Frame(node, "Actors", Page.Table(
        ["actor", "answered in"],
        actors.Select(actor => (IReadOnlyList<Html>)
        [
            Html.Of($"<code>{actor.Path}</code>"),
            actor.AnsweredMs is { } ms
                ? Html.Of($"<span class=\"{(ms < 100 ? "good" : "warning")}\">{Page.Ms(ms)}</span>")
                : Html.Of($"<span class=\"error\">✗ not within a second</span>"),
        ])));
}
