namespace Colo.Host.Node;

/// <summary>
/// An answer of server-sent events without end. While nothing happens it says every few seconds that it lives, so that
/// a page can tell a quiet node from a dead one.
/// </summary>
internal sealed class SseWriter : IAsyncDisposable
{
    private static readonly TimeSpan Breath = TimeSpan.FromSeconds(5);

    private readonly HttpContext context;
    private readonly PeriodicTimer alive = new(Breath);
    private readonly SemaphoreSlim writing = new(1);
    private readonly Task breathing;

    private SseWriter(HttpContext context)
    {
        this.context = context;
        breathing = BreatheAsync();
    }

    /// <summary>Answers with a stream that <paramref name="send"/> fills until the listener leaves.</summary>
    public static async Task AnswerAsync(HttpContext context, Func<SseWriter, CancellationToken, Task> send)
    {
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
            var writer = new SseWriter(context);
            await using (writer.ConfigureAwait(false))
            {
                await send(writer, context.RequestAborted).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The listener left.
        }
    }

    /// <summary>Sends one or more events as they are on the wire.</summary>
    public async Task WriteAsync(string text)
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
            while (await alive.WaitForNextTickAsync(context.RequestAborted).ConfigureAwait(false))
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
