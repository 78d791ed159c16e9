using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Colo.Actors.Checkpoint;
using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>
/// The management HTTP of a node: the routes that Akka Management documents (/alive, /ready, /cluster/members), those of
/// Colo's VMs, server-sent events and metrics. Errors are problem details (RFC 9457).
/// </summary>
internal static class ManagementApi
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public static void Map(WebApplication app, NodeRuntime node, string? token)
    {
        app.Use((context, next) => Authorize(context, next, token));
        app.MapGet("/alive", () => Results.Text("OK"));
        app.MapGet("/ready", () => node.Failed.Task.IsCompleted
            ? Results.Text($"Not Healthy: {node.Failed.Task.Result}", statusCode: 500)
            : Results.Text("OK"));
        app.MapGet("/cluster/members", () => Members(node));
        app.MapGet("/vms", () => node.Vms.Select(vm => StatusOf(node, vm)));
        app.MapGet("/vms/{id}", (string id) => WithVm(node, id, vm => Results.Ok(StatusOf(node, vm))));
        foreach (string role in (string[])["primary", "secondary", "protected", "solo"])
        {
            app.MapGet($"/vms/{{id}}/{role}", (string id) =>
                WithVm(node, id, vm => Results.Json(StatusOf(node, vm), statusCode: Is(vm, role) ? 200 : 503)));
        }

        app.MapPost("/vms/{id}/{verb}", (string id, string verb, HttpRequest request) => Command(node, id, verb, request));
        app.MapGet("/vms/{id}/console", (string id, HttpContext context) => WithVm(node, id, vm =>
            context.Request.Query["follow"] == "true"
                ? Results.Stream(body => FollowConsole(vm.Console, body, context), "text/plain")
                : Results.Bytes(vm.Console.Tail(), "text/plain")));
        app.MapPost("/vms/{id}/console", (string id, HttpRequest request) => Type(node, id, request));
        app.MapGet("/events", (HttpContext context) => FollowEvents(node, context));
        app.MapGet("/metrics", () => Results.Text(Metrics.Render(node), "text/plain; version=0.0.4"));
        app.MapGet("/openapi.json", () => Results.Stream(
            typeof(ManagementApi).Assembly.GetManifestResourceStream("Colo.Host.openapi.json")!, "application/json"));
    }

    private static Task Authorize(HttpContext context, RequestDelegate next, string? token)
    {
        if (token is null || context.Request.Path == "/alive" || context.Request.Path == "/ready")
        {
            return next(context);
        }

        byte[] expected = Encoding.UTF8.GetBytes("Bearer " + token);
        byte[] given = Encoding.UTF8.GetBytes(context.Request.Headers.Authorization.ToString());
        if (CryptographicOperations.FixedTimeEquals(expected, given))
        {
            return next(context);
        }

        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return context.Response.WriteAsJsonAsync(
            new { type = "about:blank", title = "Unauthorized", status = 401, detail = "a bearer token is needed" },
            Json, "application/problem+json");
    }

    private static object Members(NodeRuntime node) => new
    {
        selfNode = node.Self.Host.Name,
        members = node.Options.Peers.Select(peer => peer.Host.Name).Append(node.Self.Host.Name).Order(StringComparer.Ordinal)
            .Select(name => new { node = name, status = "Up" }),
    };

    private static IResult WithVm(NodeRuntime node, string id, Func<VmRecord, IResult> answer) =>
        node.Find(id) is { } vm ? answer(vm) : NotFound(id);

    private static IResult NotFound(string id) =>
        Results.Problem($"VM '{id}' is not known on this node", statusCode: 404, title: "Unknown VM");

    private static bool Is(VmRecord vm, string role) => role switch
    {
        "primary" => vm.Status?.Role is VmRole.Primary or VmRole.Solo,
        "secondary" => vm.Status?.Role == VmRole.Secondary,
        "protected" => vm.Status?.Protection == ProtectionState.Protected,
        _ => vm.Status?.Role == VmRole.Solo,
    };

    private static VmView StatusOf(NodeRuntime node, VmRecord vm)
    {
        VmStatus? status = vm.Status;
        return new VmView(
            vm.Definition.Name, node.Self.Host.Name, status?.Role.ToString() ?? "None", status?.Protection.ToString() ?? "Parked",
            status?.Term.Value ?? 0, status?.Epoch.Value ?? 0, status?.Peer?.Host.Name, status?.State ?? "Starting",
            status?.WaitsFor ?? string.Empty, vm.Since, vm.Checkpoints, vm.Backend?.Inspect());
    }

    private static async Task<IResult> Command(NodeRuntime node, string id, string verb, HttpRequest request)
    {
        if (node.Find(id) is null)
        {
            return NotFound(id);
        }

        string command = request.Query["command"].FirstOrDefault() ?? Guid.NewGuid().ToString("N");
        OperatorCommand? order = OrderOf(verb, new CommandId(command), request);
        if (order is null)
        {
            return Results.Problem(
                $"'{verb}' is not known; expected protect, unprotect, failover, switchover, checkpoint, pause, resume, drain, start, shutdown or mode (with ?mode=colo|periodic|auto)",
                statusCode: 400, title: "Unknown command");
        }

        Effect.CompleteCommand done = await node.CommandAsync(id, order).ConfigureAwait(false);
        return done.Result switch
        {
            CommandResult.Done => Results.Ok(new { command, result = "done", text = done.Text }),
            CommandResult.Refused => Results.Problem(done.Text, statusCode: 409, title: "Refused; nothing has changed"),
            _ when done.Text.EndsWith(NodeRuntime.ResultUnknown, StringComparison.Ordinal) =>
                Results.Problem(done.Text, statusCode: 504, title: "The result is unknown"),
            _ => Results.Problem(done.Text, statusCode: 500, title: "Failed"),
        };
    }

    private static OperatorCommand? OrderOf(string verb, CommandId id, HttpRequest request) => verb switch
    {
        "protect" => new ProtectCommand(id),
        "unprotect" => new UnprotectCommand(id),
        "failover" => new FailoverCommand(
            id, request.Query["reason"].FirstOrDefault() ?? "operator", request.Query["accept-data-loss"] == "true"),
        "switchover" => new SwitchoverCommand(id),
        "checkpoint" => new CheckpointCommand(id),
        "pause" => new PauseProtectionCommand(id),
        "resume" => new ResumeProtectionCommand(id),
        "drain" => new DrainCommand(id),
        "start" => new StartCommand(id),
        "shutdown" => new StopCommand(id),
        "mode" when Enum.TryParse(request.Query["mode"], ignoreCase: true, out ReplicationMode mode) && Enum.IsDefined(mode) =>
            new SetModeCommand(id, mode),
        _ => null,
    };

    private static async Task<IResult> Type(NodeRuntime node, string id, HttpRequest request)
    {
        if (node.Find(id) is not { } vm)
        {
            return NotFound(id);
        }

        byte[] bytes = new byte[4096];
        int length = await request.Body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false).ConfigureAwait(false);
        vm.Console.Type(bytes.AsSpan(0, length));
        return Results.NoContent();
    }

    private static async Task FollowEvents(NodeRuntime node, HttpContext context)
    {
        string last = context.Request.Headers["Last-Event-ID"].FirstOrDefault() ?? context.Request.Query["after"].FirstOrDefault() ?? "0";
        _ = long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out long after);
        if (context.Request.Query["follow"] == "false")
        {
            await context.Response.WriteAsJsonAsync(node.Events.After(after), Json).ConfigureAwait(false);
            return;
        }

        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        try
        {
            // Headers at once: a listener knows that it is heard before the first event.
            await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            await foreach (LoggedEvent logged in node.Events.Follow(after, context.RequestAborted).ConfigureAwait(false))
            {
                await context.Response.WriteAsync(
                    $"id: {logged.Id}\nevent: {logged.Name}\ndata: {JsonSerializer.Serialize(logged, Json)}\n\n", context.RequestAborted)
                    .ConfigureAwait(false);
                await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The listener left.
        }
    }

    private static async Task FollowConsole(SerialConsole console, Stream body, HttpContext context)
    {
        try
        {
            await foreach (byte[] output in console.Follow(context.RequestAborted).ConfigureAwait(false))
            {
                await body.WriteAsync(output, context.RequestAborted).ConfigureAwait(false);
                await body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The listener left.
        }
    }
}
