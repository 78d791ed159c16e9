using System.CommandLine;
using System.Diagnostics;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo disk verify</c>: shows how far the comparison is, and what it found.</summary>
internal static class DiskVerifyCommand
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(300);

    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Option<string?> CommandId = new(
        "--command-id") { Description = "Id of the command: given again, it is not carried out again" };

    public static Command Build() => ClientCommand.Online(
        "verify", "Compare the disks of a protected pair while the guest runs; 1 when they differ", RunAsync,
        Vm, CommandId);

    private static async Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string vm = parsed.GetValue(Vm)!;
        string id = parsed.GetValue(CommandId) ?? Guid.NewGuid().ToString("N");
        await context.Node.OrderAsync(
            HttpMethod.Post, $"{NodeClient.PathOf(vm)}/disks/verify?command={Uri.EscapeDataString(id)}", null,
            cancellation)
            .ConfigureAwait(false);
        long shown = 0;
        while (true)
        {
            var command = await context.Node.GetAsync<CommandRecord>(
                $"commands/{Uri.EscapeDataString(id)}", cancellation).ConfigureAwait(false);
            VmDisks disks = await context.Node.GetAsync<VmDisks>($"{NodeClient.PathOf(vm)}/disks", cancellation)
                .ConfigureAwait(false);
            if (command.State != "running")
            {
                return Report(context, command, disks.Verify);
            }

            if (!context.Json && (shown == 0 || Stopwatch.GetElapsedTime(shown) > TimeSpan.FromSeconds(1))
                && disks.Verify is { TotalBytes: > 0 } verify)
            {
                shown = Stopwatch.GetTimestamp();
                await context.Error.WriteLineAsync(
                    $"{verify.DoneBytes >> 20} of {verify.TotalBytes >> 20} MiB compared").ConfigureAwait(false);
            }

            await Task.Delay(Period, cancellation).ConfigureAwait(false);
        }
    }

    private static int Report(ClientContext context, CommandRecord command, VerifyView? verify)
    {
        if (command.State == "refused")
        {
            throw new ClientException(ExitCode.Refused, command.Text);
        }

        if (context.Json)
        {
            context.WriteJson(new { version = 1, command.Id, result = command.State, command.Text, verify });
        }
        else
        {
            context.Output.WriteLine(command.Text);
        }

        return command.State == "done" ? ExitCode.Done : ExitCode.Failed;
    }
}
