using System.CommandLine;
using Colo.Host.Node;
using Colo.Host.Web;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo history</c>: changes of owner, and the report of one.</summary>
internal static class HistoryCommand
{
    private const int BarWidth = 50;

    private static readonly IReadOnlyList<string> Headings =
        ["ID", "TIME", "VM", "KIND", "LOST", "CAUSE", "TERM", "DETECTED", "ANSWERS AGAIN", "PROTECTED AGAIN",
            "OUTCOME"];

    private static readonly Argument<string?> Vm = new(
        "VM") { Description = "Of this VM only", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Argument<long> Id = new("ID") { Description = "Number of the report" };

    public static Command Build()
    {
        Command command = ClientCommand.Read(
            "history", "Changes of owner that this host has seen, newest first", ListAsync, Vm);
        command.Add(ClientCommand.Online("show", "The report of one change of owner, phase by phase", ShowAsync, Id));
        return command;
    }

    private static async Task<int> ListAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string query = parsed.GetValue(Vm) is { } vm ? $"?vm={Uri.EscapeDataString(vm)}" : string.Empty;
        var reports = await context.Node.GetAsync<IReadOnlyList<FailoverReport>>($"history{query}", cancellation)
            .ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, reports });
        }
        else
        {
            context.WriteTable(Headings, reports.Select(report => (IReadOnlyList<string>)
            [
                $"{report.Id}", $"{report.At.ToLocalTime():yyyy-MM-dd HH:mm:ss}", report.Vm, report.Kind,
                report.LostHost ?? "-", report.Cause, $"{report.Term}",
                StatusPage.Ms(report.SilentMs), StatusPage.Ms(report.RunningMs), StatusPage.Ms(report.ProtectedMs),
                report.Outcome,
            ]));
        }

        return ExitCode.Done;
    }

    private static async Task<int> ShowAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        FailoverReport report = await context.Node.GetAsync<FailoverReport>(
            $"history/{parsed.GetValue(Id)}", cancellation).ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, report });
            return ExitCode.Done;
        }

        TextWriter output = context.Output;
        await output.WriteLineAsync(ReportPage.Sentence(report)).ConfigureAwait(false);
        await output.WriteLineAsync($"noticed {report.At.ToLocalTime():yyyy-MM-dd HH:mm:ss.fff} on {report.Host}: E{report.CauseCode} {report.Cause}").ConfigureAwait(false);
        await output.WriteLineAsync($"term {report.Term}, outcome {report.Outcome}").ConfigureAwait(false);
        List<(string Phase, double Ms)> spans = [.. report.Spans()];
        double total = spans.Sum(span => span.Ms);
        double at = 0;
        foreach ((string phase, double ms) in spans)
        {
            int from = total > 0 ? (int)(at / total * BarWidth) : 0;
            int length = total > 0 ? Math.Max(1, (int)(ms / total * BarWidth)) : 1;
            await output.WriteLineAsync($"  {phase,-11} {new string(' ', from)}{new string('#', length)}{new string(' ', Math.Max(0, BarWidth - from - length))} {StatusPage.Ms(ms)}")
                .ConfigureAwait(false);
            at += ms;
        }

        return ExitCode.Done;
    }
}
