using System.Globalization;
using Colo.Host.Node;
using Colo.Host.Web;

namespace Colo.Host.Faults;

/// <summary>
/// <c>GET /faults</c>: the catalogue, what is under way and what was. <c>POST /faults/{fault}</c> injects, here or on
/// <c>?host=NODE</c>,
/// <c>DELETE /faults</c> and <c>DELETE /faults/{number}</c> end. Orders as all others: with an id, and events.
/// </summary>
internal static class FaultApi
{
    private static readonly string[] Read = ["GET", "HEAD"];

    public static void Map(WebApplication app, NodeRuntime node)
    {
        app.MapMethods("/faults", Read, (HttpContext context) =>
            Page.Answer(context, node.Faults.View(), view => FaultsPage.Render(node, view)));
        app.MapPost("/faults/{fault}", (string fault, HttpRequest request) => InjectAsync(node, fault, request));
        app.MapDelete("/faults", (HttpRequest request) => CommandApi.RunAsync(
            node, string.Empty, "fault-clear", "all", request, () => Task.FromResult(node.Faults.Clear(null))));
        app.MapDelete("/faults/{number}", (string number, HttpRequest request) =>
            long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long known)
                ? CommandApi.RunAsync(
                    node, string.Empty, "fault-clear", number, request, () => Task.FromResult(node.Faults.Clear(known)))
                : Task.FromResult(ManagementApi.Problem(
                    400, "No number", $"'{number}' is no number of a fault: expected one that GET /faults shows")));
    }

    private static Task<IResult> InjectAsync(NodeRuntime node, string fault, HttpRequest request)
    {
        string? Of(string name) => request.Query[name].FirstOrDefault();
        FaultOrder? order = FaultOrder.Read(
            fault, Of("vm"), Of("peer"), Of("for"), Of("latency"), out string problem);
        return order is null
            ? Task.FromResult(ManagementApi.Problem(400, "Nothing to inject", problem))
            : CommandApi.RunAsync(
                node, order.Vm, "fault-inject", $"{order}", request,
                () => node.Administration.FaultAsync(Of("host") ?? node.Self.Host.Name, order));
    }
}
