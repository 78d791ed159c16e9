using System.CommandLine;
using System.Diagnostics;
using Colo.Host.Cluster;
using Colo.Host.Faults;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>
/// The commands <c>colo drill failover|list</c>. The drill asks the node that is to survive: it hands the fault to the
/// primary's, watches its own take-over, and keeps the report.
/// </summary>
internal static class DrillCommands
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(250);

    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Option<string> Kill = new("--kill")
    {
        Description = "The primary's host: process (SIGKILL), link (between the two hosts) or pause (SIGSTOP)",
        DefaultValueFactory = _ => "process",
    };

    private static readonly Option<string?> Load = new("--load")
    {
        Description = "Ask the guest meanwhile, from here: http://ADDRESS/PATH, or an address for ICMP echo",
    };

    private static readonly Option<string> For = new(
        "--for") { Description = "How long link and pause last", DefaultValueFactory = _ => "10s" };

    private static readonly Option<string> Limit = new("--timeout")
    {
        Description = "How long to wait until the VM is protected again",
        DefaultValueFactory = _ => "120s",
    };

    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask" };

    public static Command Build()
    {
        var command = new Command("drill", "Find out whether protection works, where nodes allow drills");
        command.Add(ClientCommand.Online(
            "failover", "Lose the primary's host on purpose, wait until the VM is protected again, and report",
            FailoverAsync, Vm, Kill, Load, For, Limit, Yes));
        command.Add(ClientCommand.Read("list", "Past drills that this node knows of", ListAsync));
        return command;
    }

    private static async Task<int> FailoverAsync(
        ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string vm = parsed.GetValue(Vm)!;
        string kill = parsed.GetValue(Kill)!;
        string fault = kill switch
        {
            "process" => "F01",
            "link" => "F09",
            "pause" => "F05",
            _ => throw new CommandLineException($"--kill {kill}: expected process, link or pause"),
        };
        TimeSpan limit = OptionDuration.Parse("--timeout", parsed.GetValue(Limit)!);
        OptionDuration.Parse("--for", parsed.GetValue(For)!);
        using DrillLoad? load = parsed.GetValue(Load) is { } target ? DrillLoad.Parse(target) : null;
        (string victim, string survivor) = await RolesAsync(context, vm, cancellation).ConfigureAwait(false);
        ActCommands.RequireConfirmation(
            context, parsed.GetValue(Yes), $"drill ({kill} of {victim}) of", vm,
            $"{victim} fails on purpose; other VMs of it are hit too");
        bool loaded = load is not null && await load.TryStartAsync(cancellation).ConfigureAwait(false);
        string words = load is null ? "none asked for"
            : loaded ? parsed.GetValue(Load)! : $"none: {parsed.GetValue(Load)} does not answer from here";
        Say(context, $"drill: {kill} of {victim}; {survivor} is to go on; load: {words}");
        var report = new DrillReport(
            vm, kill, victim, survivor, DateTimeOffset.UtcNow, null, null, null, null, words, 0, null, "failed",
            string.Empty);
        await TellAsync(context, vm, $"{kill} of {victim}", null, cancellation).ConfigureAwait(false);
        long before = (await HistoryAsync(context, vm, cancellation).ConfigureAwait(false)).Select(one => one.Id)
            .DefaultIfEmpty(0).Max();
        // A link has two ends: this one begins it on both, and still hears the other's answer.
        string query = (fault == "F09" ? "peer=" : "host=") + Uri.EscapeDataString(victim)
            + $"&for={parsed.GetValue(For)}";
        try
        {
            await StrikeAsync(context, $"faults/{fault}?{query}", cancellation).ConfigureAwait(false);
            report = await WatchAsync(context, report, before, limit, cancellation).ConfigureAwait(false);
        }
        catch (ClientException refused)
        {
            report = report with { Text = refused.Message };
            await TellAsync(context, vm, string.Empty, report, cancellation).ConfigureAwait(false);
            throw;
        }

        if (loaded)
        {
            await load!.StopAsync().ConfigureAwait(false);
            report = report with { Answers = load.Answers, GapMs = load.GapMs };
        }

        report = report.Outcome == "passed" ? report.Judged() : report;
        await TellAsync(context, vm, string.Empty, report, cancellation).ConfigureAwait(false);
        Write(context, report);
        return report.Outcome switch
        {
            "passed" => ExitCode.Done,
            "not protected again" => ExitCode.TimedOut,
            _ => ExitCode.Failed,
        };
    }

    /// <summary>Gives the order. What it does may take its answer along.</summary>
    private static async Task StrikeAsync(ClientContext context, string path, CancellationToken cancellation)
    {
        try
        {
            Say(context, await context.Node.OrderAsync(HttpMethod.Post, path, null, cancellation)
                .ConfigureAwait(false));
        }
        catch (ClientException lost) when (lost.ExitCode == ExitCode.Unknown)
        {
            Say(context, $"the order's answer was lost: {lost.Message}");
        }
    }

    /// <summary>Who fails and who is to go on; only from the latter's node can it be watched.</summary>
    private static async Task<(string Victim, string Survivor)> RolesAsync(
        ClientContext context, string vm, CancellationToken cancellation)
    {
        ClusterStatusView status = await context.Node.StatusAsync(cancellation).ConfigureAwait(false);
        VmStatusView view = status.Vms.FirstOrDefault(one => one.Name == vm)
            ?? throw new ClientException(ExitCode.Failed, $"VM '{vm}' is not known on {status.Node}");
        VmView here = await context.Node.VmAsync(vm, cancellation).ConfigureAwait(false);
        return view.Word != "PROTECTED" || view.Owner is null
            ? throw new ClientException(
                ExitCode.Refused, $"{vm} is {view.Word}: a drill needs a protected VM; nothing has changed")
            : here.Role != "Secondary"
                ? throw new ClientException(
                    ExitCode.Refused,
                    $"{vm} is {here.Role} on {status.Node}, expected Secondary: "
                    + "give --url of the node that is to go on; nothing has changed")
            : (view.Owner, status.Node);
    }

    private static Task<IReadOnlyList<FailoverReport>> HistoryAsync(
        ClientContext context, string vm, CancellationToken cancellation) =>
        context.Node.GetAsync<IReadOnlyList<FailoverReport>>($"{NodeClient.PathOf(vm)}/history", cancellation);

    private static async Task<DrillReport> WatchAsync(
        ClientContext context, DrillReport report, long before, TimeSpan limit, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        string shown = string.Empty;
        while (true)
        {
            FailoverReport? seen = (await HistoryAsync(context, report.Vm, cancellation).ConfigureAwait(false))
                .Where(one => one.Id > before).MinBy(one => one.Id);
            report = seen is null ? report : report with
            {
                DetectMs = seen.SilentMs,
                TermMs = seen.TermMs,
                TakeoverMs = seen.RunningMs,
                ProtectedMs = seen.ProtectedMs,
            };
            string now = seen is null ? "waiting for the loss to be noticed"
                : seen.RunningMs is null ? "the loss is noticed" : "answers leave again; waiting for the second copy";
            if (now != shown)
            {
                shown = now;
                Say(context, $"{Stopwatch.GetElapsedTime(began).TotalSeconds,6:0.0} s  {now}");
            }

            if (seen is { Outcome: "done", ProtectedMs: not null })
            {
                return report with { Outcome = "passed" };
            }

            if (seen is { Outcome: "refused" or "cancelled" })
            {
                return report with
                {
                    Outcome = "failed",
                    Text = $"{report.Survivor} did not take over: {seen.Outcome}; "
                        + "the other host may have gone on: `colo history` there",
                };
            }

            if (Stopwatch.GetElapsedTime(began) > limit)
            {
                return report with
                {
                    Outcome = "not protected again",
                    Text = $"after {limit.TotalSeconds:0} s: {now}" + (report.Kill == "process"
                        ? $"; {report.Victim}'s process has to be started again by its service, or a spare to be there"
                        : string.Empty),
                };
            }

            await Task.Delay(Period, cancellation).ConfigureAwait(false);
        }
    }

    private static async Task TellAsync(
        ClientContext context, string vm, string what, DrillReport? report, CancellationToken cancellation)
    {
        using JsonContent? body = report is null ? null : JsonContent.Create(report, options: ClientCommand.Json);
        if (body is not null)
        {
            await body.LoadIntoBufferAsync(cancellation).ConfigureAwait(false); // so that it has a length
        }

        await context.Node.OrderAsync(
            HttpMethod.Post, $"{NodeClient.PathOf(vm)}/drills?what={Uri.EscapeDataString(what)}", body, cancellation)
            .ConfigureAwait(false);
    }

    private static async Task<int> ListAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        var drills = await context.Node.GetAsync<IReadOnlyList<DrillReport>>("drills", cancellation)
            .ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, drills });
            return ExitCode.Done;
        }

        context.WriteTable(
            ["TIME", "VM", "KILL", "VICTIM", "DETECT", "TERM", "TAKEOVER", "PROTECTED", "GAP", "OUTCOME"],
            drills.Select(drill => (IReadOnlyList<string>)
            [
                $"{drill.At.ToLocalTime():yyyy-MM-dd HH:mm:ss}", drill.Vm, drill.Kill, drill.Victim,
                StatusPage.Ms(drill.DetectMs), StatusPage.Ms(drill.TermMs), StatusPage.Ms(drill.TakeoverMs),
                StatusPage.Ms(drill.ProtectedMs), StatusPage.Ms(drill.GapMs), drill.Outcome,
            ]));
        return ExitCode.Done;
    }

    private static void Write(ClientContext context, DrillReport report)
    {
        if (context.Json)
        {
            context.WriteJson(new { version = 1, drill = report });
            return;
        }

        foreach ((string phase, double ms) in report.Phases())
        {
            context.Output.WriteLine($"  {phase,-14} {StatusPage.Ms(ms),10}");
        }

        context.Output.WriteLine(report.GapMs is { } gap
            ? $"  client         {StatusPage.Ms(gap),10} without an answer at most, "
                + $"{report.Answers} answers ({report.Load})"
            : $"  client         no load: {report.Load}");
        context.Output.WriteLine($"{report.Outcome}: {report.Text}");
    }

    private static void Say(ClientContext context, string text)
    {
        if (!context.Json)
        {
            context.Output.WriteLine(text);
            context.Output.Flush();
        }
    }
}
