using System.CommandLine;
using Colo.Host.Faults;

namespace Colo.Host.Cli;

/// <summary>The commands <c>colo fault inject|list|clear</c>: they act on the node that is asked.</summary>
internal static class FaultCommands
{
    private static readonly Argument<string> Fault = new(
        "FAULT") { Description = "F01 to F40; `colo fault list` has them" };
    private static readonly Option<string?> Vm = new("--vm") { Description = "The VM, for disks and actors" };
    private static readonly Option<string?> Peer = new(
        "--peer") { Description = "The node at the other end, for links" };
    private static readonly Option<string> For = new(
        "--for") { Description = "When it ends by itself, at most 10m", DefaultValueFactory = _ => "10s" };
    private static readonly Option<string?> Latency = new(
        "--latency") { Description = "Added to each disk request (F21)" };
    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask" };
    private static readonly Argument<long?> Number = new("NUMBER")
    {
        Description = "Number of an injection; none: all",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Command Build()
    {
        var command = new Command("fault", "Faults for drills, where the node was started with colo.drills.allowed");
        command.Add(ClientCommand.Online(
            "inject", "Do a fault to the node that is asked", InjectAsync, Fault, Vm, Peer, For, Latency, Yes));
        command.Add(ClientCommand.Read("list", "The catalogue, and what was injected", ListAsync));
        command.Add(ClientCommand.Online("clear", "End an injection before its time", ClearAsync, Number));
        return command;
    }

    private static async Task<int> InjectAsync(
        ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string fault = parsed.GetValue(Fault)!;
        FaultOrder order = FaultOrder.Read(
            fault, parsed.GetValue(Vm), parsed.GetValue(Peer), parsed.GetValue(For), parsed.GetValue(Latency),
            out string problem) ?? throw new CommandLineException($"fault inject: {problem}");
        FaultsView view = await context.Node.GetAsync<FaultsView>("faults", cancellation).ConfigureAwait(false);
        ActCommands.RequireConfirmation(
            context, parsed.GetValue(Yes), $"inject {order.Fault} on", view.Host, "its guests may change hosts");
        string query = string.Join('&', new (string Name, string? Value)[]
        {
            ("for", parsed.GetValue(For)), ("vm", parsed.GetValue(Vm)), ("peer", parsed.GetValue(Peer)),
            ("latency", parsed.GetValue(Latency)), ("command", Guid.NewGuid().ToString("N")),
        }.Where(pair => pair.Value is not null).Select(pair => $"{pair.Name}={Uri.EscapeDataString(pair.Value!)}"));
        Say(context, await context.Node.OrderAsync(
            HttpMethod.Post, $"faults/{Uri.EscapeDataString(order.Fault)}?{query}", null, cancellation)
            .ConfigureAwait(false));
        return ExitCode.Done;
    }

    private static async Task<int> ListAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        FaultsView view = await context.Node.GetAsync<FaultsView>("faults", cancellation).ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(view);
            return ExitCode.Done;
        }

        await context.Output.WriteLineAsync(
            $"{view.Host}: drills are {(view.Allowed ? "allowed" : "not allowed (colo.drills.allowed)")}")
            .ConfigureAwait(false);
        context.WriteTable(
            ["NUMBER", "FAULT", "VM", "PEER", "LIMIT", "BEGAN", "STATE", "WHAT"],
            view.Injections.Select(fault => (IReadOnlyList<string>)
            [
                $"{fault.Number}", fault.Fault, Dash(fault.Vm), Dash(fault.Peer), $"{fault.Seconds:0.###} s",
                $"{fault.Began.ToLocalTime():HH:mm:ss}", fault.How, fault.Name,
            ]));
        await context.Output.WriteLineAsync().ConfigureAwait(false);
        context.WriteTable(
            ["FAULT", "HERE", "WHAT"],
            view.Catalogue.Select(kind => (IReadOnlyList<string>)
            [
                kind.Id, kind.Needs switch { null => "no", "" => "yes", var needs => $"needs {needs}" },
                kind.Name,
            ]));
        return ExitCode.Done;
    }

    private static async Task<int> ClearAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        long? number = parsed.GetValue(Number);
        Say(context, await context.Node.OrderAsync(
            HttpMethod.Delete, number is null ? "faults" : $"faults/{number}", null, cancellation)
            .ConfigureAwait(false));
        return ExitCode.Done;
    }

    private static void Say(ClientContext context, string text)
    {
        if (context.Json)
        {
            context.WriteJson(new { version = 1, result = "done", text });
        }
        else
        {
            context.Output.WriteLine($"done: {text}");
        }
    }

    private static string Dash(string text) => text.Length > 0 ? text : "-";
}
