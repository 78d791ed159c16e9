using System.Collections.Concurrent;
using Colo.Actors.Vm;
using Colo.Host.Cluster;
using Colo.Host.Node;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Colo.Host.Tests.Cli;

/// <summary>The management HTTP of a node that answers what a test tells it to, on a free port of the
/// loopback.</summary>
internal sealed class FakeNode : IAsyncDisposable
{
    private readonly WebApplication app;

    private FakeNode(WebApplication app) => this.app = app;

    public string Url => app.Urls.Single();

    public VmView Vm { get; set; } = View("Protected", "Primary");

    /// <summary>Status and sentence of the answer to each command.</summary>
    public (int Status, string Text) CommandAnswer { get; set; } = (200, "it is done");

    /// <summary>Method, path and query of each request, in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public ConcurrentQueue<string?> LastEventIds { get; } = new();

    public ConcurrentQueue<string> Authorizations { get; } = new();

    public static async Task<FakeNode> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        WebApplication app = builder.Build();
        var fake = new FakeNode(app);
        fake.Map();
        await app.StartAsync();
        return fake;
    }

    public static VmView View(string protection, string role) => new(
        "web-1", "node-a", role, protection, 7, 48213, "node-b", "Primary", "", DateTimeOffset.UnixEpoch, 31,
        new VmGauges { Machine = "running", FramesMatched = 3, FramesCommitted = 1, LastPause = TimeSpan.FromMilliseconds(6.1) });

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private void Map()
    {
        app.Use((context, next) =>
        {
            Requests.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
            Authorizations.Enqueue(context.Request.Headers.Authorization.ToString());
            return next(context);
        });
        app.MapGet("/status", () => Status());
        app.MapGet("/vms", () => (VmView[])[Vm]);
        app.MapGet("/vms/{id}", (string id) => id == Vm.Name
            ? Results.Ok(Vm)
            : Results.Problem($"VM '{id}' is not known on this node", statusCode: 404));
        app.MapGet("/vms/{id}/protected", () => Results.Json(Vm, statusCode: Vm.Protection == "Protected" ? 200 : 503));
        app.MapPost("/vms/{id}/{verb}", () => CommandAnswer.Status == 200
            ? Results.Ok(new { command = "1", result = "done", text = CommandAnswer.Text })
            : Results.Problem(CommandAnswer.Text, statusCode: CommandAnswer.Status));
        app.MapGet("/vms/{id}/console", () => Results.Text("Debian login: "));
        app.MapGet("/health", () => new HealthView(1, "ok", []));
        app.MapGet("/events", EventsAsync);
    }

    private ClusterStatusView Status()
    {
        bool safe = Vm.Protection == "Protected";
        var vm = new VmStatusView(
            Vm.Name, safe ? "PROTECTED" : "NOT PROTECTED", string.Empty, Vm.Since, Vm.Term, Vm.Epoch, "colo", true,
            [new HostFate("node-a", safe, safe ? 0.4 : null, safe ? "if node-a died now: node-b answers in about 0.4 s" : "if node-a died now: web-1 STOPS")],
            string.Empty, string.Empty, "nothing to do",
            [
                new VmHostRow("node-a", "primary", "running", 0, false, 0, 48213, "in step", null),
                new VmHostRow("node-b", "secondary", "running", 5000, true, 900, 48212, "buffer 3 KiB", 0.3),
            ],
            Vm.Gauges, new RecentCheckpoints(60, 31, new Dictionary<string, int> { ["Period"] = 27, ["Mismatch"] = 4 }, 6.1, 14.9, 1000), null, "node-a");
        return new ClusterStatusView(1, "node-a", DateTimeOffset.UnixEpoch, !safe, [vm], [], "witness w");
    }

    /// <summary>One event with the number after the one asked for, and the end of the stream.</summary>
    private async Task EventsAsync(HttpContext context)
    {
        string? last = context.Request.Headers["Last-Event-ID"].FirstOrDefault();
        LastEventIds.Enqueue(last);
        long id = 1 + long.Parse(last ?? context.Request.Query["after"].FirstOrDefault() ?? "0");
        string json = $$"""{"id":{{id}},"time":"2026-01-02T03:04:05Z","host":"node-a","vm":"web-1","code":6002,"name":"TookOver","term":8,"epoch":9,"summary":"the peer is lost"}""";
        if (context.Request.Query["follow"] == "false")
        {
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync($"[{json}]");
            return;
        }

        context.Response.ContentType = "text/event-stream";
        await context.Response.WriteAsync("event: alive\ndata: {}\n\n");
        await context.Response.WriteAsync($"id: {id}\nevent: TookOver\ndata: {json}\n\n");
    }
}
