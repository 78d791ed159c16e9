using System.Text.Json;
using System.Text.Json.Serialization;
using Colo.Actors.Network;
using Colo.Host.Web;

namespace Colo.Host.Node;

/// <summary>
/// <c>GET /vms/{id}/packets</c>: connections and mismatches now. <c>GET /vms/{id}/tap</c>: the comparers' decisions
/// from
/// now on as server-sent events; with <c>?mismatch=true</c> only mismatches and the checkpoints that were asked for.
/// Payloads only with <c>?payload=true</c>. A listener that is too slow gets an event <c>missed</c> with the number of
/// entries that it did not get.
/// </summary>
internal static class TapApi
{
    /// <summary>Enumerations by their words.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter() },
    };

    private static readonly string[] Read = ["GET", "HEAD"];

    public static void Map(WebApplication app, NodeRuntime node)
    {
        app.MapMethods("/vms/{id}/packets", Read, (string id, HttpContext context) => VmApi.With(node, id, vm =>
        {
            PacketsView view = PacketsView.Of(node, vm, WantsPayload(context));
            return Page.IsWanted(context.Request)
                ? Results.Content(PacketsPage.Render(node, vm, view).Text, "text/html; charset=utf-8")
                : Results.Json(view, Json);
        }));
        app.MapMethods(
            "/vms/{id}/tap", Read, (Delegate)((string id, HttpContext context) => ListenAsync(node, id, context)));
    }

    private static async Task<IResult> ListenAsync(NodeRuntime node, string id, HttpContext context)
    {
        if (node.Find(id) is not { } vm)
        {
            return VmApi.NotFound(id);
        }

        if (vm.Backend?.Tap is not { } tap)
        {
            return ManagementApi.Problem(
                409, "Nothing to listen to",
                $"'{id}' has no comparer of Colo's own on this node: expected a VM of the embedded machine");
        }

        using TapListener listener = tap.Listen(context.Request.Query["mismatch"] == "true");
        bool payload = WantsPayload(context);
        await SseWriter.AnswerAsync(context, async (writer, left) =>
        {
            long told = 0;
            await foreach (TapEntry entry in listener.Entries.ReadAllAsync(left).ConfigureAwait(false))
            {
                if (listener.Missed is var missed && missed > told)
                {
                    told = missed;
                    await writer.WriteAsync($"event: missed\ndata: {{\"missed\":{missed}}}\n\n").ConfigureAwait(false);
                }

                TapEntry shown = payload ? entry : entry.WithoutPayload();
                await writer.WriteAsync(
                    $"id: {entry.Id}\nevent: {entry.Word}\ndata: {JsonSerializer.Serialize(shown, Json)}\n\n")
                    .ConfigureAwait(false);
            }
        }).ConfigureAwait(false);
        return Results.Empty;
    }

    private static bool WantsPayload(HttpContext context) => context.Request.Query["payload"] == "true";
}
