using System.CommandLine;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo explain</c>: an event's line of docs/events.md, offline.</summary>
internal static class ExplainCommand
{
    private static readonly Argument<string> Code = new("CODE") { Description = "Number or name of an event: 2001, E2001 or PeerLost" };

    public static Command Build() => ClientCommand.Offline("explain", "What an event means and what to do", RunAsync, Code);

    private static Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string wanted = parsed.GetValue(Code)!;
        string number = wanted.TrimStart('E', 'e');
        string[]? cells = Entries().FirstOrDefault(
            entry => entry[0] == number || entry[1].Equals(wanted, StringComparison.OrdinalIgnoreCase));
        if (cells is null)
        {
            throw new ClientException(ExitCode.Usage, $"'{wanted}' is no event; expected a code like 2001 or a name like PeerLost");
        }

        string? next = cells[3] == "-" ? null : cells[3];
        if (context.Json)
        {
            context.WriteJson(new { version = 1, code = int.Parse(cells[0]), name = cells[1], meaning = cells[2], next });
        }
        else
        {
            context.Output.WriteLine($"E{cells[0]} {cells[1]}");
            context.Output.WriteLine(cells[2]);
            context.Output.WriteLine($"next: {next ?? "nothing to do"}");
        }

        return Task.FromResult(ExitCode.Done);
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
