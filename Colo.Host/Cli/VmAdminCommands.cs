using System.CommandLine;
using System.Text;

namespace Colo.Host.Cli;

/// <summary>The commands <c>colo vm create|place|delete</c> and <c>colo host drain|undrain</c>.</summary>
internal static class VmAdminCommands
{
    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Argument<string> Host = new("HOST") { Description = "The host's name" };
    private static readonly Option<string> File = new(
        "--file", "-f") { Description = "The definition in HOCON or JSON; - is standard input", Required = true };
    private static readonly Option<bool> DryRun = new(
        "--dry-run") { Description = "Check on all nodes and change nothing" };
    private static readonly Option<string> Nodes = new(
        "--nodes") { Description = "Names, separated by commas", Required = true };
    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask" };

    public static IEnumerable<Command> BuildVm() =>
    [
        ClientCommand.Online(
            "create", "Add a VM to the running cluster; without nodes in its definition they are chosen by free memory",
            CreateAsync, Vm, File, DryRun),
        ClientCommand.Online(
            "place", "Change which nodes may hold a VM that was created at run time", PlaceAsync, Vm, Nodes),
        ClientCommand.Online(
            "delete", "Remove a VM that was created at run time and is off; its disks stay", DeleteAsync, Vm, Yes),
    ];

    public static Command BuildHost()
    {
        var host = new Command("host", "Take a host out for maintenance and in again");
        host.Add(
            ClientCommand.Online(
            "drain", "Hand all roles of a host away and keep it out", (parsed, context, cancellation) =>
            HostAsync(parsed, context, "drain", cancellation), Host));
        host.Add(
            ClientCommand.Online(
            "undrain", "Let a host take part again", (parsed, context, cancellation) =>
            HostAsync(parsed, context, "undrain", cancellation), Host));
        return host;
    }

    private static async Task<int> CreateAsync(
        ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string path = parsed.GetValue(File)!;
        string text;
        try
        {
            text = path == "-"
                ? await Console.In.ReadToEndAsync(cancellation).ConfigureAwait(false)
                : await System.IO.File.ReadAllTextAsync(path, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandLineException($"--file {path}: {e.Message}");
        }

        string vm = parsed.GetValue(Vm)!;
        using var content = new StringContent(text, Encoding.UTF8, "application/hocon");
        string dry = parsed.GetValue(DryRun) ? "&dry-run=true" : string.Empty;
        return await OrderAsync(
            context, HttpMethod.Post, $"vms?name={Uri.EscapeDataString(vm)}{dry}", content, $"create {vm}",
            cancellation).ConfigureAwait(false);
    }

    private static Task<int> PlaceAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation) =>
        OrderAsync(
        context, HttpMethod.Put,
        $"{NodeClient.PathOf(parsed.GetValue(Vm)!)}/nodes?nodes={Uri.EscapeDataString(parsed.GetValue(Nodes)!)}", null,
        $"place {parsed.GetValue(Vm)}", cancellation);

    private static Task<int> DeleteAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string vm = parsed.GetValue(Vm)!;
        ActCommands.RequireConfirmation(
            context, parsed.GetValue(Yes), "delete", vm, "the cluster forgets it; its disks stay where they are");
        return OrderAsync(context, HttpMethod.Delete, NodeClient.PathOf(vm), null, $"delete {vm}", cancellation);
    }

    private static Task<int> HostAsync(
        ParseResult parsed, ClientContext context, string verb, CancellationToken cancellation) => OrderAsync(
        context, HttpMethod.Post, $"node/{verb}?host={Uri.EscapeDataString(parsed.GetValue(Host)!)}", null,
        $"{verb} {parsed.GetValue(Host)}", cancellation);

    private static async Task<int> OrderAsync(
        ClientContext context, HttpMethod method, string path, HttpContent? content, string what,
        CancellationToken cancellation)
    {
        string id = Guid.NewGuid().ToString("N");
        string text = await context.Node.OrderAsync(
            method, $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}command={id}", content,
            cancellation)
            .ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, order = what, command = id, result = "done", text });
        }
        else
        {
            await context.Output.WriteLineAsync($"done: {text}").ConfigureAwait(false);
        }

        return ExitCode.Done;
    }
}
