using System.Globalization;
using System.Text.Json;

namespace Colo.Host.Node;

/// <summary>
/// <c>GET /events</c>: the events that are kept, as JSON (<c>?follow=false</c>) or as server-sent events without end,
/// resumable
/// by <c>Last-Event-ID</c> or <c>?after=N</c>, filtered by <c>vm</c>, <c>code</c> and <c>severity</c>. A silent stream
/// says that it lives every few seconds.
/// </summary>
internal static class EventStream
{
    private static readonly TimeSpan Breath = TimeSpan.FromSeconds(5);

    public static async Task AnswerAsync(NodeRuntime node, HttpContext context)
    {
        string last = context.Request.Headers["Last-Event-ID"].FirstOrDefault()
            ?? context.Request.Query["after"].FirstOrDefault() ?? "0";
        _ = long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out long after);
        Func<LoggedEvent, bool> wanted = FilterOf(context.Request.Query);
        if (context.Request.Query["follow"] == "false")
        {
            await context.Response.WriteAsJsonAsync(node.Events.After(after).Where(wanted), JsonSerializerOptions.Web)
                .ConfigureAwait(false);
            return;
        }

        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        try
        {
            // Headers at once: a listener knows that it is heard before the first event.
            await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            await SendAsync(node, context, after, wanted).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The listener left.
        }
    }

    private static async Task SendAsync(
        NodeRuntime node, HttpContext context, long after, Func<LoggedEvent, bool> wanted)
    {
        CancellationToken left = context.RequestAborted;
        using var alive = new PeriodicTimer(Breath);
        using var writing = new SemaphoreSlim(1);
        Task breathing = BreatheAsync(context, alive, writing);
        try
        {
            await foreach (LoggedEvent logged in node.Events.Follow(after, left).ConfigureAwait(false))
            {
                if (wanted(logged))
                {
                    await WriteAsync(
                        context, $"id: {logged.Id}\nevent: {logged.Name}\ndata: {JsonSerializer.Serialize(logged, JsonSerializerOptions.Web)}\n\n", writing)
                        .ConfigureAwait(false);
                }
            }
        }
        finally
        {
            alive.Dispose();
            await breathing.ConfigureAwait(false);
        }
    }

    /// <summary>A comment now and then, so that a page can tell a quiet node from a dead one.</summary>
    private static async Task BreatheAsync(HttpContext context, PeriodicTimer alive, SemaphoreSlim writing)
    {
        try
        {
            while (await alive.WaitForNextTickAsync(context.RequestAborted).ConfigureAwait(false))
            {
                await WriteAsync(context, "event: alive\ndata: {}\n\n", writing).ConfigureAwait(false);
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or ObjectDisposedException or IOException)
        {
            // The listener left.
        }
    }

    private static async Task WriteAsync(HttpContext context, string text, SemaphoreSlim writing)
    {
        await writing.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        try
        {
            await context.Response.WriteAsync(text, context.RequestAborted).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
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
