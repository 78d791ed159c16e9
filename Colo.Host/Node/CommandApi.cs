using System.Globalization;
using Colo.Actors.Checkpoint;
using Colo.Actors.Protocol;
using Colo.Host.Cluster;

namespace Colo.Host.Node;

/// <summary>
/// Orders over HTTP. Each has an id (<c>command=ID</c>), carried out once however often it is sent, and may name the
/// term that the operator saw (<c>term=N</c>). Every order is an event before it is carried out.
/// </summary>
internal static class CommandApi
{
    private const int IdLengthMax = 100;
    private static readonly string[] Own = ["command", "term"];

    /// <summary>Carries a VM's command out and answers when it is over.</summary>
    public static async Task<IResult> OfVmAsync(NodeRuntime node, string vm, string verb, HttpRequest request)
    {
        if (node.Find(vm) is null)
        {
            return VmApi.NotFound(vm);
        }

        return Trouble(verb, request)
            ?? await RunAsync(node, vm, verb, Parameters(request), request, Act(node, vm, verb, request))
            .ConfigureAwait(false);
    }

    /// <summary>Begins a VM's command and says where its state can be read.</summary>
    public static Task<IResult> BeginAsync(NodeRuntime node, string vm, string verb, HttpRequest request)
    {
        if (node.Find(vm) is null)
        {
            return Task.FromResult(VmApi.NotFound(vm));
        }

        if (Trouble(verb, request) is { } trouble)
        {
            return Task.FromResult(trouble);
        }

        return Task.FromResult(
            Start(node, vm, verb, Parameters(request), request, Act(node, vm, verb, request)));
    }

    /// <summary>Begins an order under its id and says where its state can be read.</summary>
    public static IResult Start(
        NodeRuntime node, string vm, string verb, string parameters, HttpRequest request, Func<Task<Outcome>> act)
    {
        if (IdTrouble(request) is { } trouble)
        {
            return trouble;
        }

        string id = IdOf(request);
        try
        {
            _ = Begin(node, id, vm, verb, parameters, request, act);
        }
        catch (InvalidOperationException reused)
        {
            return ManagementApi.Problem(409, "The id belongs to another command", reused.Message);
        }

        return Results.Accepted($"/commands/{Uri.EscapeDataString(id)}", node.Commands.Find(id));
    }

    /// <summary>Orders about this host, or about another one by <c>?host=NAME</c>.</summary>
    public static Task<IResult> OfHostAsync(NodeRuntime node, string verb, HttpRequest request)
    {
        string host = request.Query["host"].FirstOrDefault() ?? node.Self.Host.Name;
        if (verb is not ("drain" or "undrain"))
        {
            return Task.FromResult(
                ManagementApi.Problem(400, "Unknown command", $"'{verb}' is not known; expected drain or undrain"));
        }

        if (host != node.Self.Host.Name && node.Options.Peers.All(peer => peer.Host.Name != host))
        {
            return Task.FromResult(
                ManagementApi.Problem(404, "Unknown host", $"'{host}' is not a node of this cluster"));
        }

        return RunAsync(
            node, string.Empty, verb, host, request, () => node.Administration.DrainAsync(host, verb == "drain"));
    }

    /// <summary>Runs an order under its id and turns its outcome into an answer.</summary>
    public static async Task<IResult> RunAsync(
        NodeRuntime node, string vm, string verb, string parameters, HttpRequest request, Func<Task<Outcome>> act)
    {
        if (IdTrouble(request) is { } trouble)
        {
            return trouble;
        }

        string id = IdOf(request);
        CommandRecord record;
        Outcome? outcome = null;
        try
        {
            record = await Begin(
                node, id, vm, verb, parameters, request, async () => outcome = await act().ConfigureAwait(false))
                .ConfigureAwait(false);
        }
        catch (InvalidOperationException reused)
        {
            return ManagementApi.Problem(409, "The id belongs to another command", reused.Message);
        }

        return record.State switch
        {
            "done" => Results.Ok(new { version = 1, command = id, result = "done", text = record.Text }),
            "invalid" =>
                ManagementApi.Problem(
                400, "Wrong definition; nothing has changed", record.Text, outcome?.Errors ?? [record.Text]),
            "refused" => ManagementApi.Problem(409, "Refused; nothing has changed", record.Text, outcome?.Errors),
            "unknown" => ManagementApi.Problem(504, "The result is unknown", record.Text),
            _ => ManagementApi.Problem(500, "Failed", record.Text),
        };
    }

    private static Task<CommandRecord> Begin(
        NodeRuntime node, string id, string vm, string verb, string parameters, HttpRequest request,
        Func<Task<Outcome>> act)
    {
        string from = request.HttpContext.Connection.RemoteIpAddress?.ToString() ?? "?";
        string shown = parameters.Length > 200 ? $"({parameters.Length} characters)" : parameters;
        return node.Commands.RunAsync(id, vm, verb, parameters, from, async () =>
        {
            string order = $"{id}: {verb} {shown} from {from}";
            node.Events.Add(vm, new HostEvent(EventCode.CommandReceived, Term.Zero, Epoch.Zero, order));
            Outcome outcome = await act().ConfigureAwait(false);
            return (outcome.State, outcome.Text);
        });
    }

    private static Func<Task<Outcome>> Act(NodeRuntime node, string vm, string verb, HttpRequest request)
    {
        OperatorCommand order = OrderOf(verb, new CommandId(IdOf(request)), request)!;
        if (long.TryParse(
            request.Query["term"].FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out long term))
        {
            order = order with { ExpectedTerm = new Term(term) };
        }

        return async () =>
        {
            Effect.CompleteCommand done = await node.CommandAsync(vm, order).ConfigureAwait(false);
            return done.Result switch
            {
                CommandResult.Done => Outcome.Done(done.Text),
                CommandResult.Refused => Outcome.Refused(done.Text),
                _ when done.Text.EndsWith(NodeRuntime.ResultUnknown, StringComparison.Ordinal) =>
                    new Outcome("unknown", done.Text, []),
                _ => Outcome.Failed(done.Text),
            };
        };
    }

    /// <summary>What is wrong with the request itself; null when nothing is.</summary>
    private static IResult? Trouble(string verb, HttpRequest request)
    {
        if (OrderOf(verb, new CommandId("?"), request) is null)
        {
            return ManagementApi.Problem(
                400, "Unknown command",
                $"'{verb}' is not known; expected protect, unprotect, failover, switchover, checkpoint, pause, resume, drain, start, shutdown or mode (with ?mode=colo|periodic|auto)");
        }

        if (verb == "failover" && string.IsNullOrWhiteSpace(request.Query["reason"].FirstOrDefault()))
        {
            return ManagementApi.Problem(400, "No reason", "a fail-over needs ?reason=TEXT; it is kept in the events");
        }

        string? term = request.Query["term"].FirstOrDefault();
        return term is not null && !long.TryParse(term, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            ? ManagementApi.Problem(400, "No term", $"term is '{term}', expected the number that status shows")
            : null;
    }

    /// <summary>An id that another one took the place of would let a repeated order act twice.</summary>
    private static IResult? IdTrouble(HttpRequest request) =>
        request.Query["command"].FirstOrDefault() is { Length: > IdLengthMax } given
            ? ManagementApi.Problem(
                400, "The id is too long",
                $"command has {given.Length} characters, expected at most {IdLengthMax}; nothing was done")
            : null;

    private static string IdOf(HttpRequest request)
    {
        if (request.HttpContext.Items["command"] is string known)
        {
            return known;
        }

        string? given = request.Query["command"].FirstOrDefault();
        string id = given is { Length: > 0 } ? given : Guid.NewGuid().ToString("N");
        request.HttpContext.Items["command"] = id;
        return id;
    }

    private static string Parameters(HttpRequest request) =>
        string.Join('&', request.Query.Where(pair => !Own.Contains(pair.Key))
        .OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"));

    private static OperatorCommand? OrderOf(string verb, CommandId id, HttpRequest request) => verb switch
    {
        "protect" => new ProtectCommand(
            id, request.Query["on"].FirstOrDefault() is { Length: > 0 } on ? new HostId(on) : null),
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
        "mode" when Enum.TryParse(request.Query["mode"], ignoreCase: true, out ReplicationMode mode)
            && Enum.IsDefined(mode) =>
            new SetModeCommand(id, mode),
        _ => null,
    };
}
