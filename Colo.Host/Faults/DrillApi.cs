using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Cluster;
using Colo.Host.Node;

namespace Colo.Host.Faults;

/// <summary><c>GET /drills</c>: those that were reported here. <c>POST /vms/{id}/drills</c>: whoever runs a drill says
/// that it begins (no body) and how it ended (a report).</summary>
internal static class DrillApi
{
    private static readonly string[] Read = ["GET", "HEAD"];

    public static void Map(WebApplication app, NodeRuntime node)
    {
        app.MapMethods("/drills", Read, () => node.Drills.Reports);
        app.MapPost("/vms/{id}/drills", (string id, HttpRequest request) => TakeAsync(node, id, request));
    }

    private static async Task<IResult> TakeAsync(NodeRuntime node, string id, HttpRequest request)
    {
        if (node.Find(id) is not { } vm)
        {
            return VmApi.NotFound(id);
        }

        DrillReport? report = null;
        try
        {
            report = request.ContentLength > 0
                ? await request.ReadFromJsonAsync<DrillReport>().ConfigureAwait(false) : null;
        }
        catch (JsonException problem)
        {
            return ManagementApi.Problem(400, "No report", problem.Message);
        }

        if (report is { } told && told.Vm != id)
        {
            return ManagementApi.Problem(400, "No report", $"the report is about '{told.Vm}': expected '{id}'");
        }

        string what = report is null
            ? request.Query["what"].FirstOrDefault() ?? "a drill"
            : $"{report.Kill} of {report.Victim}: {report.Outcome}; {report.Text}";
        return await CommandApi.RunAsync(
            node, id, report is null ? "drill-begin" : "drill-end", what, request,
            () => Task.FromResult(Note(node, vm, report, what)))
            .ConfigureAwait(false);
    }

    private static Outcome Note(NodeRuntime node, VmRecord vm, DrillReport? report, string what)
    {
        Term term = vm.Status?.Term ?? Term.Zero;
        Epoch epoch = vm.Status?.Epoch ?? Epoch.Zero;
        if (report is null)
        {
            node.Events.Add(vm.Definition.Name, new HostEvent(EventCode.DrillStarted, term, epoch, what));
            return Outcome.Done("noted");
        }

        node.Drills.Add(report);
        node.Events.Add(vm.Definition.Name, new HostEvent(EventCode.DrillEnded, term, epoch, what));
        return Outcome.Done("noted");
    }
}
