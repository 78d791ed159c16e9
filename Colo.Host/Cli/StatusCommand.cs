using System.CommandLine;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>The commands <c>colo status</c> and <c>colo vms</c>.</summary>
internal static class StatusCommand
{
    private static readonly Argument<string?> Vm = new("VM") { Description = "One VM only", Arity = ArgumentArity.ZeroOrOne };

    public static Command Build() => ClientCommand.Online(
        "status", "Is each VM protected now, and since when? Exit code 10 when one is not.", StatusAsync, Vm);

    public static Command BuildList() => ClientCommand.Online("vms", "The VMs of the node, one a line", ListAsync);

    private static async Task<int> StatusAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        IReadOnlyList<VmView> vms = parsed.GetValue(Vm) is { } name
            ? [await context.Node.VmAsync(name, cancellation).ConfigureAwait(false)]
            : await context.Node.VmsAsync(cancellation).ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, vms });
        }
        else if (vms.Count == 0)
        {
            await context.Output.WriteLineAsync("no VMs on this node").ConfigureAwait(false);
        }
        else
        {
            string[] paragraphs =
                [.. vms.Select(vm => string.Join(Environment.NewLine, StatusPage.Lines(vm, DateTimeOffset.UtcNow)))];
            await context.Output.WriteLineAsync(string.Join(Environment.NewLine + Environment.NewLine, paragraphs)).ConfigureAwait(false);
        }

        return vms.All(StatusPage.IsProtected) ? ExitCode.Done : ExitCode.Degraded;
    }

    private static async Task<int> ListAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        IReadOnlyList<VmView> vms = await context.Node.VmsAsync(cancellation).ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, vms });
        }
        else
        {
            context.WriteTable(StatusPage.Headings, vms.Select(StatusPage.Row));
        }

        return ExitCode.Done;
    }
}
