using System.CommandLine;
using System.Globalization;
using Colo.Actors.Protocol;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo explain</c>: an event's line of docs/events.md, offline.</summary>
internal static class ExplainCommand
{
    private static readonly string[] Groups =
        ["life cycle", "heartbeat and term", "checkpoint", "packet", "disk", "fail-over", "operator", "drill",
            "invariant"];

    private static readonly Argument<string?> Code = new("CODE")
    {
        Description = "Number or name of an event: 2001, E2001 or PeerLost; all of them when none is given",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Command Build() =>
        ClientCommand.Offline("explain", "What an event means and what to do", RunAsync, Code);

    private static Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        if (parsed.GetValue(Code) is not { } wanted)
        {
            List(context);
            return Task.FromResult(ExitCode.Done);
        }

        string number = wanted.TrimStart('E', 'e');
        string[]? cells = Entries().FirstOrDefault(
            entry => entry[0] == number || entry[1].Equals(wanted, StringComparison.OrdinalIgnoreCase));
        if (cells is null)
        {
            throw new ClientException(
                ExitCode.Usage, $"'{wanted}' is no event; expected a code like 2001 or a name like PeerLost");
        }

        string? next = cells[3] == "-" ? null : cells[3];
        var code = (EventCode)int.Parse(cells[0], CultureInfo.InvariantCulture);
        string severity = EventCodes.SeverityOf(code).ToString().ToLowerInvariant();
        string group = Groups[((int)code / 1000) - 1];
        if (context.Json)
        {
            context.WriteJson(
                new { version = 1, code = (int)code, name = cells[1], group, severity, meaning = cells[2], next });
        }
        else
        {
            context.Output.WriteLine($"E{cells[0]} {cells[1]}   ({severity}, {group})");
            context.Output.WriteLine();
            context.Output.WriteLine($"what    {cells[2]}");
            context.Output.WriteLine($"next    {next ?? "nothing to do"}");
            context.Output.WriteLine(
                $"see     `colo events --code {cells[0]}` for when it happened; docs/events.md has all codes");
        }

        return Task.FromResult(ExitCode.Done);
    }

    private static void List(ClientContext context)
    {
        if (context.Json)
        {
            context.WriteJson(
                new { version = 1,
                events = Entries().Select(cells => new { code = cells[0], name = cells[1], meaning = cells[2] }) });
            return;
        }

        foreach (string[] cells in Entries())
        {
            context.Output.WriteLine($"E{cells[0]} {cells[1],-22} {cells[2]}");
        }
    }

    /// <summary>The cells of each row of the table: code, name, what happened, what to do.</summary>
    internal static IEnumerable<string[]> Entries()
    {
        using Stream page = typeof(ExplainCommand).Assembly.GetManifestResourceStream("Colo.Host.events.md")
            ?? throw new InvalidOperationException("events.md is not embedded");
        using var reader = new StreamReader(page);
        while (reader.ReadLine() is { } line)
        {
            string[] cells = line.Split('|', StringSplitOptions.TrimEntries);
            if (cells.Length >= 6 && int.TryParse(cells[1], out _))
            {
                yield return [cells[1], cells[2], cells[3], string.Join(" | ", cells[4..^1])];
            }
        }
    }
}
