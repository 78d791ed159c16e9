namespace Colo.Host.Node;

/// <summary>
/// An answer of server-sent events, until the listener leaves or the node ends. While nothing happens it says every few
/// seconds that it lives, so that a page can tell a quiet node from a dead one.
/// </summary>
internal sealed class SseWriter : IAsyncDisposable
{
    private static readonly TimeSpan Breath = TimeSpan.FromSeconds(5);

    private readonly HttpContext context;
    private readonly CancellationToken left;
    private readonly PeriodicTimer alive = new(Breath);
    private readonly SemaphoreSlim writing = new(1);
    private readonly Task breathing;

    private SseWriter(HttpContext context, CancellationToken left)
    {
        this.context = context;
        this.left = left;
        breathing = BreatheAsync();
    }

    /// <summary>
    /// Cancelled when the listener leaves or the node ends. The server waits for answers under way, so one without end
    /// would hold the process up until the service manager kills it.
    /// </summary>
    public static CancellationTokenSource EndOf(HttpContext context) =>
        CancellationTokenSource.CreateLinkedTokenSource(
            context.RequestAborted,
            context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);

    /// <summary>Answers with a stream that <paramref name="send"/> fills until the listener leaves.</summary>
    public static async Task AnswerAsync(HttpContext context, Func<SseWriter, CancellationToken, Task> send)
    {
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        using CancellationTokenSource end = EndOf(context);
        try
        {
            // Headers at once: a listener knows that it is heard before the first event.
            await context.Response.Body.FlushAsync(end.Token).ConfigureAwait(false);
            var writer = new SseWriter(context, end.Token);
            await using (writer.ConfigureAwait(false))
            {
                await send(writer, end.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The listener left, or the node ends.
        }
    }

    /// <summary>Sends one or more events as they are on the wire.</summary>
    public async Task WriteAsync(string text)
    {
        await writing.WaitAsync(left).ConfigureAwait(false);
        try
        {
            await context.Response.WriteAsync(text, left).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(left).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        alive.Dispose();
        await breathing.ConfigureAwait(false);
        writing.Dispose();
    }

    private async Task BreatheAsync()
    {
        try
        {
            while (await alive.WaitForNextTickAsync(left).ConfigureAwait(false))
            {
                await WriteAsync("event: alive\ndata: {}\n\n").ConfigureAwait(false);
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or ObjectDisposedException or IOException)
        {
            // The listener left.
        }
    }
}
