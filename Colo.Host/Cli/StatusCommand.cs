using System.CommandLine;
using Colo.Host.Cluster;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>The commands <c>colo status</c> and <c>colo vms</c>.</summary>
internal static class StatusCommand
{
    private static readonly Argument<string?> Vm = new(
        "VM") { Description = "One VM only", Arity = ArgumentArity.ZeroOrOne };

    public static Command Build() => ClientCommand.Read(
        "status", "Is each VM protected now, and since when? Exit code 10 when one is not.", StatusAsync, Vm);

    public static Command BuildList() => ClientCommand.Read("vms", "The VMs of the node, one a line", ListAsync);

    private static async Task<int> StatusAsync(
        ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        ClusterStatusView status = await context.Node.StatusAsync(cancellation).ConfigureAwait(false);
        if (parsed.GetValue(Vm) is { } name)
        {
            VmStatusView one = status.Vms.FirstOrDefault(vm => vm.Name == name)
                ?? throw new ClientException(ExitCode.Failed, $"VM '{name}' is not known on {status.Node}");
            status = status with { Vms = [one] };
        }

        if (context.Json)
        {
            context.WriteJson(status);
        }
        else if (status.Vms.Count == 0)
        {
            await context.Output.WriteLineAsync($"no VMs known on {status.Node}").ConfigureAwait(false);
        }
        else
        {
            for (int index = 0; index < status.Vms.Count; index++)
            {
                await context.Output.WriteAsync(index > 0 ? Environment.NewLine : string.Empty).ConfigureAwait(false);
                StatusPage.Write(context, status.Vms[index], DateTimeOffset.UtcNow);
            }
        }

        return status.Vms.All(vm => vm.Word == "PROTECTED") ? ExitCode.Done : ExitCode.Degraded;
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
