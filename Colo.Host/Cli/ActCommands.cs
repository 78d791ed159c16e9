using System.CommandLine;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>
/// The commands that change a VM. Each shows the VM before, asks where that is due, acts, and shows it after.
/// </summary>
internal static class ActCommands
{
    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask" };
    private static readonly Option<bool> DryRun = new(
        "--dry-run") { Description = "Show the VM and what would be done, and change nothing" };
    private static readonly Option<string?> CommandId = new(
        "--command-id") { Description = "Id of the command: given again, it is not carried out again" };
    private static readonly Option<string> Reason = new(
        "--reason") { Description = "Why; kept in the events", Required = true };

    private static readonly Option<bool> AcceptDataLoss = new("--accept-data-loss")
    {
        Description = "Also from a disk that is not known to be current: writes may be lost",
    };

    private static readonly Option<string?> On = new("--on")
    {
        Description = "The host that shall have the second copy; another one is given up for it",
    };

    private static readonly Argument<string> Mode = new("MODE") { Description = "colo, periodic or auto" };

    public static IEnumerable<Command> Build() =>
    [
        ClientCommand.Online(
            "protect", "Keep a second copy of the VM from now on", ProtectAsync, Vm, On, Yes, DryRun, CommandId),
        Asking("unprotect", "unprotect", "Give the second copy up", "the VM then stops with its host"),
        Plain("switchover", "switchover", "Exchange the roles of the two hosts without loss; refused unless protected"),
        ClientCommand.Online(
            "failover", "Give the other host up: only when it is really dead", FailoverAsync, Vm, Reason,
            AcceptDataLoss, Yes, DryRun, CommandId),
        Plain("pause-protection", "pause", "No automatic change of roles, for maintenance"),
        Plain("resume-protection", "resume", "End of the maintenance"),
        ClientCommand.Online(
            "mode", "How the copy is kept in step: colo, periodic or auto", ModeAsync, Vm, Mode, DryRun, CommandId),
    ];

    /// <summary>The part of <c>colo vm</c> that goes to a node.</summary>
    public static IEnumerable<Command> BuildVm() =>
    [
        Plain("start", "start", "Boot a VM that is off"),
        Asking("shutdown", "shutdown", "Shut the guest down on both hosts",
            "its clients lose it until it is started again"),
    ];

    /// <summary>The part of <c>colo checkpoint</c> that acts.</summary>
    public static Command Checkpoint() => Plain("now", "checkpoint", "Take a checkpoint now");

    /// <summary>Goes on only when the name was typed, or --yes given.</summary>
    /// <exception cref="ClientException">Not confirmed.</exception>
    public static void RequireConfirmation(
        ClientContext context, bool yes, string verb, string name, string consequence)
    {
        if (yes)
        {
            return;
        }

        if (Console.IsInputRedirected)
        {
            throw new CommandLineException(
                $"{verb} {name}: {consequence}; without a terminal to ask, --yes is expected");
        }

        if (!Confirm(context, name, verb, consequence))
        {
            throw new ClientException(ExitCode.Refused, "not confirmed; nothing has changed");
        }
    }

    private static Command Plain(string name, string verb, string description) => ClientCommand.Online(
        name, description, (parsed, context, cancellation) =>
            RunAsync(parsed, context, verb, string.Empty, null, cancellation), Vm, DryRun, CommandId);

    private static Command Asking(string name, string verb, string description, string consequence) =>
        ClientCommand.Online(
        name, description, (parsed, context, cancellation) =>
            RunAsync(parsed, context, verb, string.Empty, consequence, cancellation), Vm, Yes, DryRun, CommandId);

    private static Task<int> ProtectAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string? on = parsed.GetValue(On);
        return on is null
            ? RunAsync(parsed, context, "protect", string.Empty, null, cancellation)
            : RunAsync(
                parsed, context, "protect", $"&on={Uri.EscapeDataString(on)}",
                $"a second copy elsewhere is given up, and the VM is not protected until {on} is filled", cancellation);
    }

    private static Task<int> FailoverAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string reason = parsed.GetValue(Reason)!;
        if (string.IsNullOrWhiteSpace(reason))
        {
            throw new CommandLineException("--reason: expected a text for the events");
        }

        bool loss = parsed.GetValue(AcceptDataLoss);
        string query = $"&reason={Uri.EscapeDataString(reason)}{(loss ? "&accept-data-loss=true" : string.Empty)}";
        string consequence = loss
            ? "the other host is given up, and WRITES MAY BE LOST"
            : "the other host is given up; for a planned change use switchover";
        return RunAsync(parsed, context, "failover", query, consequence, cancellation);
    }

    private static Task<int> ModeAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string mode = parsed.GetValue(Mode)!;
        return mode is "colo" or "periodic" or "auto"
            ? RunAsync(parsed, context, "mode", $"&mode={mode}", null, cancellation)
            : throw new CommandLineException($"MODE {mode}: expected colo, periodic or auto");
    }

    private static async Task<int> RunAsync(
        ParseResult parsed, ClientContext context, string verb, string query, string? consequence,
        CancellationToken cancellation)
    {
        string name = parsed.GetValue(Vm)!;
        if (consequence is not null && !parsed.GetValue(Yes) && !parsed.GetValue(DryRun) && Console.IsInputRedirected)
        {
            throw new CommandLineException(
                $"{verb} {name}: {consequence}; without a terminal to ask, --yes is expected");
        }

        VmView before = await context.Node.VmAsync(name, cancellation).ConfigureAwait(false);
        if (!context.Json)
        {
            context.WriteTable(StatusPage.Headings, [StatusPage.Row(before)]);
        }

        if (consequence is not null && !parsed.GetValue(Yes) && !parsed.GetValue(DryRun)
            && !Confirm(context, name, verb, consequence))
        {
            throw new ClientException(ExitCode.Refused, "not confirmed; nothing has changed");
        }

        if (parsed.GetValue(DryRun))
        {
            string why = consequence is null ? string.Empty : $": {consequence}";
            string would = $"would {verb} {name}{why}; nothing has changed";
            if (context.Json)
            {
                context.WriteJson(new { version = 1, vm = name, verb, result = "nothing", text = would, before });
                return ExitCode.Done;
            }

            await context.Output.WriteLineAsync(would).ConfigureAwait(false);
            return ExitCode.Done;
        }

        // The term as it was shown: whoever confirms an old table does not act on a new pair.
        string id = parsed.GetValue(CommandId) ?? Guid.NewGuid().ToString("N");
        string term = before.Term > 0 ? $"&term={before.Term}" : string.Empty;
        string text = await context.Node.CommandAsync(
            name, verb, $"command={Uri.EscapeDataString(id)}{term}{query}", cancellation).ConfigureAwait(false);
        VmView? after = await AfterAsync(context, name, cancellation).ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, vm = name, verb, command = id, result = "done", text, before, after });
            return ExitCode.Done;
        }

        await context.Output.WriteLineAsync($"done: {text}").ConfigureAwait(false);
        if (after is not null)
        {
            context.WriteTable(StatusPage.Headings, [StatusPage.Row(after)]);
        }

        return ExitCode.Done;
    }

    /// <summary>The command is done whatever the next question's answer is.</summary>
    private static async Task<VmView?> AfterAsync(ClientContext context, string name, CancellationToken cancellation)
    {
        try
        {
            return await context.Node.VmAsync(name, cancellation).ConfigureAwait(false);
        }
        catch (ClientException e)
        {
            await context.Error.WriteLineAsync($"colo: the state afterwards is not known: {e.Message}")
                .ConfigureAwait(false);
            return null;
        }
    }

    private static bool Confirm(ClientContext context, string name, string verb, string consequence)
    {
        context.Error.Write($"{verb} {name}: {consequence}. Type that name to go on: ");
        context.Error.Flush();
        return Console.ReadLine()?.Trim() == name;
    }
}
