using System.Globalization;
using System.Text.Json;
using Colo.Host.Cluster;
using Colo.Host.Faults;
using Colo.Host.Web;

namespace Colo.Host.Node;

/// <summary>
/// The management HTTP of a node: the routes that Akka Management documents (/alive, /ready, /cluster/members), those
/// of Colo's VMs, server-sent events and metrics. Errors are problem details (RFC 9457). Each resource that a person
/// looks at is a page to a browser and JSON to everybody else, at the same path.
/// </summary>
internal static class ManagementApi
{
    private static readonly string[] Read = ["GET", "HEAD"];

    public static void Map(WebApplication app, NodeRuntime node, string? token)
    {
        var access = new AccessRule(token);
        app.Use(access.CheckAsync);
        app.MapMethods("/alive", Read, () => Results.Text("OK"));
        app.MapMethods("/live", Read, () => Results.Text("OK"));
        app.MapMethods("/ready", Read, () => node.Failed.Task.IsCompleted
            ? Results.Text($"Not Healthy: {node.Failed.Task.Result}", statusCode: 500)
            : Results.Text("OK"));
        app.MapMethods("/health", Read, () => Health(node));
        app.MapMethods("/", Read, () => Results.Redirect("/status"));
        app.MapMethods("/status", Read, (HttpContext context) =>
            Page.Answer(
                context, ClusterStatus.Of(node, DateTimeOffset.UtcNow), status => OverviewPage.Render(node, status)));
        app.MapMethods(
            "/cluster/members", Read, (HttpContext context) =>
            Page.Answer(context, Members(node), _ => HostsPage.Render(node)));
        app.MapMethods("/history", Read, (HttpContext context) => Page.Answer(
            context, node.History.Reports(context.Request.Query["vm"].FirstOrDefault()), reports =>
                HistoryPage.Render(node, reports)));
        app.MapMethods("/history/{id:long}", Read, (long id, HttpContext context) => node.History.Find(id) is { } report
            ? Page.Answer(context, report, known => ReportPage.Render(node, known))
            : Problem(404, "Unknown report", $"report {id} is not kept on this node"));
        app.MapMethods("/actors", Read, (Delegate)((HttpContext context) => ActorsAsync(node, context)));
        app.MapMethods(
            "/config", Read, (HttpContext context) =>
            Page.Answer(context, ConfigView.Of(node), view => ConfigPage.Render(node, view)));
        app.MapMethods("/commands", Read, () => Results.Ok(node.Commands.Records()));
        app.MapMethods("/commands/{id}", Read, (string id) => node.Commands.Find(id) is { } record
            ? Results.Ok(record)
            : Problem(404, "Unknown command", $"command {id} is not known on this node"));
        app.MapMethods(
            "/logs", Read, (HttpContext context) =>
            Results.Text(string.Join('\n', node.Log.Last(Number(context, "last", 200))) + "\n"));
        app.MapPost("/node/{verb}", (string verb, HttpRequest request) => CommandApi.OfHostAsync(node, verb, request));
        app.MapMethods("/events", Read, (HttpContext context) => EventStream.AnswerAsync(node, context));
        app.MapMethods("/metrics", Read, () => Results.Text(Metrics.Render(node), "text/plain; version=0.0.4"));
        app.MapMethods("/openapi.json", Read, () => Results.Stream(
            typeof(ManagementApi).Assembly.GetManifestResourceStream("Colo.Host.openapi.json")!, "application/json"));
        app.MapMethods("/page.js", Read, () => Page.Asset("page.js", "text/javascript"));
        app.MapMethods("/page.css", Read, () => Page.Asset("page.css", "text/css"));
        app.MapMethods("/login", Read, () => Results.Content(LoginPage.Render(null).Text, "text/html; charset=utf-8"));
        app.MapPost("/login", (Delegate)access.LogInAsync);
        TapApi.Map(app, node);
        FaultApi.Map(app, node);
        DrillApi.Map(app, node);
        VmApi.Map(app, node);
    }

    public static IResult Problem(int status, string title, string detail, IReadOnlyList<string>? errors = null) =>
        Results.Problem(
        detail, statusCode: status, title: title,
        extensions: errors is { Count: > 0 } ? new Dictionary<string, object?> { ["errors"] = errors } : null);

    /// <summary>A number of the query; the default when it is missing or makes no sense.</summary>
    public static int Number(HttpContext context, string name, int @default) =>
        int.TryParse(
            context.Request.Query[name].FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture,
            out int value) ? value : @default;

    private static async Task<IResult> ActorsAsync(NodeRuntime node, HttpContext context)
    {
        IReadOnlyList<ActorView> actors = await ActorView.AllAsync(node.System, TimeProvider.System)
            .ConfigureAwait(false);
        return Page.Answer(context, actors, known => ActorsPage.Render(node, known));
    }

    private static IResult Health(NodeRuntime node)
    {
        IReadOnlyList<HealthCheck> checks = HealthCheck.All(node);
        return Results.Json(
            new HealthView(1, HealthCheck.Worst(checks), checks), JsonSerializerOptions.Web,
            statusCode: checks.Any(check => check.Status == "failed") ? 503 : 200);
    }

    /// <summary>In the shape of Akka Management, with what the heartbeats know added.</summary>
    private static object Members(NodeRuntime node)
    {
        IReadOnlyList<MemberView> members = node.Members();
        return new
        {
            version = 1,
            selfNode = node.Self.Host.Name,
            members = members.Select(member => new
            {
                node = member.Node,
                nodeUid = member.Incarnation?.ToString(CultureInfo.InvariantCulture) ?? string.Empty,
                status = member.Status == "Unreachable" ? "Up" : member.Status,
                reachable = member.Status == "Up",
                roles = member.Roles,
                member.HeardMs,
                member.LinkMs,
                member.LinksUp,
                member.Lost,
                member.Facts,
                member.FactsAgeMs,
            }),
            unreachable = members.Where(member => member.Status == "Unreachable")
                .Select(member => new { node = member.Node, observedBy = (string[])[node.Self.Host.Name] }),
        };
    }
}
