using System.Globalization;
using System.Text.Json;
using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>
/// <c>GET /events</c>: the events that are kept, as JSON (<c>?follow=false</c>) or as server-sent events without end,
/// resumable
/// by <c>Last-Event-ID</c> or <c>?after=N</c>, filtered by <c>vm</c>, <c>code</c> and <c>severity</c>.
/// </summary>
internal static class EventStream
{
    /// <summary>What an event's severity may be, as it is written in orders.</summary>
    public static IReadOnlyList<string> Severities { get; } =
        [.. Enum.GetNames<EventSeverity>().Select(name => name.ToLowerInvariant())];

    public static async Task AnswerAsync(NodeRuntime node, HttpContext context)
    {
        string last = context.Request.Headers["Last-Event-ID"].FirstOrDefault()
            ?? context.Request.Query["after"].FirstOrDefault() ?? "0";
        _ = long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out long after);
        string? severity = context.Request.Query["severity"].FirstOrDefault();
        if (severity is not null && !Severities.Contains(severity, StringComparer.OrdinalIgnoreCase))
        {
            await ManagementApi.Problem(
                400, "Unknown severity", $"severity is '{severity}', expected {string.Join(", ", Severities)}")
                .ExecuteAsync(context).ConfigureAwait(false);
            return;
        }

        Func<LoggedEvent, bool> wanted = FilterOf(context.Request.Query);
        if (context.Request.Query["follow"] == "false")
        {
            await context.Response.WriteAsJsonAsync(node.Events.After(after).Where(wanted), JsonSerializerOptions.Web)
                .ConfigureAwait(false);
            return;
        }

        await SseWriter.AnswerAsync(context, async (writer, left) =>
        {
            await foreach (LoggedEvent logged in node.Events.Follow(after, left).ConfigureAwait(false))
            {
                if (wanted(logged))
                {
                    string data = JsonSerializer.Serialize(logged, JsonSerializerOptions.Web);
                    await writer.WriteAsync($"id: {logged.Id}\nevent: {logged.Name}\ndata: {data}\n\n")
                        .ConfigureAwait(false);
                }
            }
        }).ConfigureAwait(false);
    }

    private static Func<LoggedEvent, bool> FilterOf(IQueryCollection query)
    {
        string? vm = query["vm"].FirstOrDefault();
        string? code = query["code"].FirstOrDefault()?.TrimStart('E', 'e');
        string? severity = query["severity"].FirstOrDefault();
        return logged => (vm is null || logged.Vm == vm)
            && (code is null || logged.Code.ToString(CultureInfo.InvariantCulture) == code)
            && (severity is null || string.Equals(logged.Severity, severity, StringComparison.OrdinalIgnoreCase));
    }
}
