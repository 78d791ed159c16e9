using System.Globalization;
using Colo.Actors.Protocol;
using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>The frame of every page, and the choice between a page and JSON.</summary>
internal static class Page
{
    private static readonly string EventNames = string.Join(' ', Enum.GetNames<EventCode>());

    /// <summary>Whether who asks is a browser.</summary>
    public static bool IsWanted(HttpRequest request) =>
        (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method))
        && request.Headers.Accept.ToString().Contains("text/html", StringComparison.Ordinal);

    /// <summary>The value as JSON, or the page about it for a browser.</summary>
    public static IResult Answer<T>(HttpContext context, T value, Func<T, Html> page) => IsWanted(context.Request)
        ? Results.Content(page(value).Text, "text/html; charset=utf-8")
        : Results.Ok(value);

    public static IResult Asset(string name, string type) => Results.Stream(
        typeof(Page).Assembly.GetManifestResourceStream("Colo.Host." + name)!, type + "; charset=utf-8");

    /// <param name="title">Name of the page; of the first heading too.</param>
    /// <param name="vm">The VM that the page is about; null for none.</param>
    public static Html Frame(NodeRuntime node, string title, Html body, string? vm = null) => Html.Of($"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>{title} - Colo on {node.Self.Host.Name}</title>
        <link rel="stylesheet" href="/page.css"><script src="/page.js" defer></script>
        </head>
        <body data-last="{node.Events.LastId}" data-events="{EventNames}">
        <a class="skip" href="#main">To the content</a>
        <header>
        <span class="brand">Colo</span><span class="node">on {node.Self.Host.Name}</span>
        <nav aria-label="Pages">{Links(node, vm)}</nav>
        </header>
        <p id="age" class="banner" role="status" data-time="{DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()}" hidden></p>
        <main id="main" tabindex="-1"><h1>{title}</h1>
        <div id="live">{body}</div>
        </main>
        <footer>Keys: <kbd>o</kbd> overview, <kbd>t</kbd> timeline, <kbd>h</kbd> hosts, <kbd>r</kbd> fail-overs, <kbd>a</kbd> actors, <kbd>d</kbd> drills,
        <kbd>c</kbd> configuration. Every page is JSON for <code>curl</code>. Written {Moment(DateTimeOffset.UtcNow)}.</footer>
        </body>
        </html>
        """);

    public static Html Moment(DateTimeOffset at) =>
        Html.Of($"<time datetime=\"{at.ToString("O", CultureInfo.InvariantCulture)}\">{at.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture)} UTC</time>");

    public static string Ms(double? ms) =>
        ms is { } known ? known.ToString(known < 10 ? "0.0" : "0", CultureInfo.InvariantCulture) + " ms" : "-";

    public static Html Table(IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<Html>> rows) => Html.Of($"""
        <div class="wide"><table><thead><tr>{headings.Select(heading => Html.Of($"<th scope=\"col\">{heading}</th>"))}</tr></thead>
        <tbody>{rows.Select(row => Html.Of($"<tr>{row.Select(cell => Html.Of($"<td>{cell}</td>"))}</tr>\n"))}</tbody></table></div>
        """);

    public static Html Text(string? text) => Html.Of($"{text}");

    public static Html Events(IEnumerable<LoggedEvent> events) => Table(
        ["time", "event", "term", "epoch", "what", "after"],
        events.Select(logged => (IReadOnlyList<Html>)
        [
            Moment(logged.Time), Html.Of($"<span class=\"{logged.Severity.ToLowerInvariant()}\">{Symbol(logged.Severity)} E{logged.Code} {logged.Name}</span>"),
            Html.Of($"{logged.Term}"), Html.Of($"{logged.Epoch}"), Text(logged.Summary),
            Text(logged.Cause is { } cause ? $"E{cause}, {Ms(logged.AfterCauseMs)}" : string.Empty),
        ]));

    /// <summary>
    /// Whether an event is more than a step of an ordinary checkpoint, of which there may be many a second.
    /// </summary>
    public static bool IsNotable(LoggedEvent logged) =>
        logged.Code is < (int)EventCode.CheckpointRequested or > (int)EventCode.CheckpointLoaded;

    private static string Symbol(string severity) => severity switch { "Error" => "✗", "Warning" => "!", _ => "·" };

    private static Html Links(NodeRuntime node, string? vm) => Html.Of($"""
        <a href="/status" accesskey="o">Overview</a>
        {node.Vms.Select(known => VmLink(known.Definition.Name, vm))}
        <a href="/cluster/members" accesskey="h">Hosts</a>
        <a href="/history" accesskey="r">Fail-overs</a>
        <a href="/actors" accesskey="a">Actors</a>
        <a href="/faults" accesskey="d">Drills</a>
        <a href="/config" accesskey="c">Configuration</a>
        """);

    private static Html VmLink(string name, string? current) =>
        Html.Of($"<a href=\"/vms/{Uri.EscapeDataString(name)}\"{(name == current ? new Html(" aria-current=\"page\"") : Html.Empty)}>{name}</a>");
}
