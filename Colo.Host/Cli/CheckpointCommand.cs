using System.CommandLine;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>The commands <c>colo checkpoint list|show|now</c>.</summary>
internal static class CheckpointCommand
{
    private static readonly IReadOnlyList<string> Headings =
        ["EPOCH", "BEGAN", "REASON", "REQUEST", "CAPTURE", "STREAM", "COMMIT", "LOAD", "PAGES", "BYTES", "OUTCOME"];

    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Argument<long> Epoch = new("EPOCH") { Description = "Number of the checkpoint" };
    private static readonly Option<int> Last = new(
        "--last") { Description = "How many", DefaultValueFactory = _ => 20 };

    public static Command Build()
    {
        var command = new Command("checkpoint", "Checkpoints of a VM, on the host that takes them");
        command.Add(
            ClientCommand.Read("list", "The last checkpoints with every phase, newest first", ListAsync, Vm, Last));
        command.Add(ClientCommand.Online("show", "One checkpoint", ShowAsync, Vm, Epoch));
        command.Add(ActCommands.Checkpoint());
        return command;
    }

    private static async Task<int> ListAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        var checkpoints = await context.Node.GetAsync<IReadOnlyList<CheckpointEntry>>(
            $"{NodeClient.PathOf(parsed.GetValue(Vm)!)}/checkpoints?last={parsed.GetValue(Last)}", cancellation)
                .ConfigureAwait(false);
        Write(context, checkpoints);
        return ExitCode.Done;
    }

    private static async Task<int> ShowAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        Write(context, [await context.Node.GetAsync<CheckpointEntry>(
            $"{NodeClient.PathOf(parsed.GetValue(Vm)!)}/checkpoints/{parsed.GetValue(Epoch)}", cancellation)
                .ConfigureAwait(false)]);
        return ExitCode.Done;
    }

    private static void Write(ClientContext context, IReadOnlyList<CheckpointEntry> checkpoints)
    {
        if (context.Json)
        {
            context.WriteJson(new { version = 1, checkpoints });
            return;
        }

        context.WriteTable(Headings, checkpoints.Select(entry => (IReadOnlyList<string>)
        [
            $"{entry.Epoch}", $"{entry.Began.ToLocalTime():HH:mm:ss.fff}", entry.Reason, StatusPage.Ms(entry.RequestMs),
            StatusPage.Ms(entry.CaptureMs),
            StatusPage.Ms(entry.StreamMs), StatusPage.Ms(entry.CommitMs), StatusPage.Ms(entry.LoadMs),
            $"{entry.Pages:N0}", $"{entry.Bytes:N0}", entry.Outcome,
        ]));
    }
}
