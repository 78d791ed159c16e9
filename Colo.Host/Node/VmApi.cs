using Colo.Actors.Protocol;
using Colo.Host.Web;

namespace Colo.Host.Node;

/// <summary>The routes of VMs.</summary>
internal static class VmApi
{
    private const int DefinitionBytesMax = 64 << 10;
    private const int TypedBytesMax = 4096;
    private static readonly string[] Read = ["GET", "HEAD"];
    private static readonly string[] Roles = ["primary", "secondary", "protected", "solo"];

    public static void Map(WebApplication app, NodeRuntime node)
    {
        app.MapMethods("/vms", Read, () => node.Vms.Select(vm => VmViews.Of(node, vm)));
        app.MapPost("/vms", (HttpRequest request) => CreateAsync(node, request));
        app.MapMethods("/vms/{id}", Read, (string id, HttpContext context) =>
            With(node, id, vm => Page.Answer(context, VmViews.Of(node, vm), view => VmPage.Render(node, vm, view))));
        app.MapDelete("/vms/{id}", (string id, HttpRequest request) => RemoveAsync(node, id, request));
        app.MapPut("/vms/{id}/nodes", (string id, HttpRequest request) => PlaceAsync(node, id, request));
        foreach (string role in Roles)
        {
            app.MapMethods($"/vms/{{id}}/{role}", Read, (string id) =>
                With(node, id, vm => Results.Json(VmViews.Of(node, vm), statusCode: Is(vm, role) ? 200 : 503)));
        }

        app.MapMethods(
            "/vms/{id}/checkpoints", Read, (string id, HttpContext context) => With(node, id, vm => Page.Answer(
            context, vm.Journal.Last(ManagementApi.Number(context, "last", 100), vm.Backend?.Inspect().Timing), list =>
                CheckpointsPage.Render(node, vm, list))));
        app.MapMethods("/vms/{id}/checkpoints/{epoch:long}", Read, (string id, long epoch) => With(node, id, vm =>
            vm.Journal.Find(epoch, vm.Backend?.Inspect().Timing) is { } entry
                ? Results.Ok(entry)
                : ManagementApi.Problem(
                    404, "Unknown checkpoint", $"checkpoint {epoch} of '{id}' is not kept on this node")));
        app.MapMethods("/vms/{id}/timeline", Read, (string id, HttpContext context) => With(node, id, vm =>
            Page.Answer(context, Timeline.Of(node, vm), line => TimelinePage.Render(node, vm, line))));
        app.MapMethods("/vms/{id}/disks", Read, (string id, HttpContext context) => With(node, id, vm =>
            Page.Answer(context, DiskView.Of(node, vm), disks => DisksPage.Render(node, vm, disks))));
        app.MapPost("/vms/{id}/disks/verify", (string id, HttpRequest request) => With(node, id, vm => CommandApi.Start(
            node, id, "verify", string.Empty, request, () => node.Verifier.RunAsync(vm, CancellationToken.None))));
        app.MapMethods(
            "/vms/{id}/history", Read, (string id) => With(node, id, _ => Results.Ok(node.History.Reports(id))));
        app.MapGet("/vms/{id}/console", (string id, HttpContext context) => With(node, id, vm =>
            context.Request.Query["follow"] == "true"
                ? Results.Stream(body => FollowConsole(vm.Console, body, context), "text/plain")
                : Results.Bytes(vm.Console.Tail(), "text/plain")));
        app.MapPost("/vms/{id}/console", (string id, HttpRequest request) => TypeAsync(node, id, request));
        app.MapPost(
            "/vms/{id}/commands/{verb}", (string id, string verb, HttpRequest request) =>
            CommandApi.BeginAsync(node, id, verb, request));
        app.MapPost(
            "/vms/{id}/{verb}", (string id, string verb, HttpRequest request) =>
            CommandApi.OfVmAsync(node, id, verb, request));
    }

    public static IResult With(NodeRuntime node, string id, Func<VmRecord, IResult> answer) =>
        node.Find(id) is { } vm ? answer(vm) : NotFound(id);

    public static IResult NotFound(string id) =>
        ManagementApi.Problem(404, "Unknown VM", $"VM '{id}' is not known on this node");

    private static bool Is(VmRecord vm, string role) => role switch
    {
        "primary" => vm.IsOwner,
        "secondary" => vm.Status?.Role == VmRole.Secondary,
        "protected" => vm.Status?.Protection == ProtectionState.Protected,
        _ => vm.Status?.Role == VmRole.Solo,
    };

    private static async Task<IResult> CreateAsync(NodeRuntime node, HttpRequest request)
    {
        string name = request.Query["name"].FirstOrDefault() ?? string.Empty;
        string? text = await TextAsync(request).ConfigureAwait(false);
        if (name.Length == 0 || text is null)
        {
            return ManagementApi.Problem(
                400, "No definition", $"expected POST /vms?name=NAME with a definition in HOCON or JSON of at most {DefinitionBytesMax} bytes");
        }

        bool dryRun = request.Query["dry-run"] == "true";
        return await CommandApi.RunAsync(
            node, name, dryRun ? "create-dry" : "create", text, request, () =>
                node.Administration.CreateAsync(name, text, dryRun))
            .ConfigureAwait(false);
    }

    private static Task<IResult> RemoveAsync(NodeRuntime node, string id, HttpRequest request) =>
        node.Find(id) is null
            ? Task.FromResult(NotFound(id))
            : CommandApi.RunAsync(node, id, "delete", string.Empty, request, () => node.Administration.RemoveAsync(id));

    private static Task<IResult> PlaceAsync(NodeRuntime node, string id, HttpRequest request)
    {
        string[] nodes = (request.Query["nodes"].FirstOrDefault() ?? string.Empty)
            .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return nodes.Length == 0
            ? Task.FromResult(ManagementApi.Problem(400, "No nodes", "expected ?nodes=A,B[,C...]"))
            : CommandApi.RunAsync(
                node, id, "place", string.Join(',', nodes), request, () => node.Administration.PlaceAsync(id, nodes));
    }

    private static async Task<string?> TextAsync(HttpRequest request)
    {
        byte[] bytes = new byte[DefinitionBytesMax + 1];
        int length = await request.Body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false)
            .ConfigureAwait(false);
        return length is > 0 and <= DefinitionBytesMax ? System.Text.Encoding.UTF8.GetString(bytes, 0, length) : null;
    }

    private static async Task<IResult> TypeAsync(NodeRuntime node, string id, HttpRequest request)
    {
        if (node.Find(id) is not { } vm)
        {
            return NotFound(id);
        }

        byte[] bytes = new byte[TypedBytesMax + 1];
        int length = await request.Body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false)
            .ConfigureAwait(false);
        if (length > TypedBytesMax)
        {
            return ManagementApi.Problem(
                413, "Too much at once", $"expected at most {TypedBytesMax} bytes; nothing was typed");
        }

        vm.Console.Type(bytes.AsSpan(0, length));
        return Results.NoContent();
    }

    private static async Task FollowConsole(SerialConsole console, Stream body, HttpContext context)
    {
        using CancellationTokenSource end = SseWriter.EndOf(context);
        try
        {
            await foreach (byte[] output in console.Follow(end.Token).ConfigureAwait(false))
            {
                await body.WriteAsync(output, end.Token).ConfigureAwait(false);
                await body.FlushAsync(end.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The listener left, or the node ends.
        }
    }
}
