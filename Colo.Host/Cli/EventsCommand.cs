using System.CommandLine;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo events</c>: what the node remembers, and what happens from now on.</summary>
internal static class EventsCommand
{
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromSeconds(1);

    private static readonly Option<bool> Follow = new(
        "--follow", "-f") { Description = "Go on with new events; reconnects by itself" };
    private static readonly Option<long> After = new("--after") { Description = "Only events with a higher number" };
    private static readonly Option<string?> Vm = new("--vm") { Description = "Only events of this VM" };
    private static readonly Option<string?> Severity = new(
        "--severity") { Description = "Only info, warning or error" };
    private static readonly Option<string?> Since = new(
        "--since") { Description = "Only events of the last, for example, 10m or 1h" };
    private static readonly Option<int?> Code = new("--code") { Description = "Only events with this code" };
    private static readonly Option<int?> Limit = new("--limit") { Description = "End after so many events" };

    public static Command Build() => ClientCommand.Online(
        "events", "The node's events, oldest first", RunAsync, Follow, After, Since, Vm, Code, Severity, Limit);

    private static async Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        int limit = parsed.GetValue(Limit) ?? int.MaxValue;
        string? vm = parsed.GetValue(Vm);
        int? code = parsed.GetValue(Code);
        string? severity = parsed.GetValue(Severity);
        DateTimeOffset from = parsed.GetValue(Since) is { } since
            ? DateTimeOffset.UtcNow - OptionDuration.Parse("--since", since) : DateTimeOffset.MinValue;
        bool Wanted(LoggedEvent logged) =>
            (vm is null || logged.Vm == vm) && (code is null || logged.Code == code) && logged.Time >= from
            && (severity is null || logged.Severity.Equals(severity, StringComparison.OrdinalIgnoreCase));
        if (severity is not null && !EventStream.Severities.Contains(severity, StringComparer.OrdinalIgnoreCase))
        {
            throw new CommandLineException(
                $"--severity {severity}: expected {string.Join(", ", EventStream.Severities)}");
        }

        if (limit < 1)
        {
            throw new CommandLineException($"--limit {limit}: expected at least 1");
        }

        if (parsed.GetValue(Follow))
        {
            await FollowAsync(context, parsed.GetValue(After), Wanted, limit, cancellation).ConfigureAwait(false);
            return ExitCode.Done;
        }

        IReadOnlyList<LoggedEvent> events = await context.Node.EventsAsync(parsed.GetValue(After), cancellation)
            .ConfigureAwait(false);
        IEnumerable<LoggedEvent> shown = events.Where(Wanted).Take(limit);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, events = shown });
            return ExitCode.Done;
        }

        foreach (LoggedEvent logged in shown)
        {
            await context.Output.WriteLineAsync(LineOf(logged)).ConfigureAwait(false);
        }

        return ExitCode.Done;
    }

    private static async Task FollowAsync(
        ClientContext context, long after, Func<LoggedEvent, bool> wanted, int limit, CancellationToken cancellation)
    {
        string last = $"{after}";
        for (bool first = true; ; first = false)
        {
            try
            {
                using HttpResponseMessage response = await context.Node.OpenAsync("events", last, cancellation)
                    .ConfigureAwait(false);
                using Stream body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
                SseParser<string> parser = SseParser.Create(body);
                await foreach (SseItem<string> item in parser.EnumerateAsync(cancellation).ConfigureAwait(false))
                {
                    last = item.EventId ?? last;
                    if (item.EventType == "alive")
                    {
                        continue; // says only that the node is quiet and not dead
                    }

                    if (JsonSerializer.Deserialize<LoggedEvent>(item.Data, ClientCommand.Json) is { } logged
                        && wanted(logged))
                    {
                        Write(context, logged);
                        if (--limit == 0)
                        {
                            return;
                        }
                    }
                }
            }
            catch (ClientException e) when (!first && e.ExitCode == ExitCode.Unreachable)
            {
                // The node is still away; what happened meanwhile comes with the next connection.
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                await context.Error.WriteLineAsync($"colo: the stream broke off after event {last}; connecting again")
                    .ConfigureAwait(false);
            }
            catch (JsonException e)
            {
                throw new ClientException(ExitCode.Failed, $"event {last} is not Colo's JSON: {e.Message}", e);
            }

            await Task.Delay(ReconnectAfter, cancellation).ConfigureAwait(false);
        }
    }

    private static void Write(ClientContext context, LoggedEvent logged)
    {
        if (context.Json)
        {
            context.WriteJson(new { version = 1, @event = logged });
        }
        else
        {
            context.Output.WriteLine(LineOf(logged));
        }

        context.Output.Flush();
    }

    internal static string LineOf(LoggedEvent logged) =>
        $"{logged.Id,6} {logged.Time.ToLocalTime():yyyy-MM-dd HH:mm:ss.fff} {logged.Host} E{logged.Code} {logged.Name} "
        + $"{(logged.Vm.Length > 0 ? logged.Vm : "-")} term {logged.Term} epoch {logged.Epoch}: {logged.Summary}";
}
