using System.Net;
using System.Net.Sockets;
using Colo.Actors.Heartbeat;
using Colo.Vmm.Links;

namespace Colo.Actors.Links;

/// <summary>
/// Keeps one control link to one peer over one network open: connects, sends what is queued, and connects again after
/// <see cref="RetryAfter"/> when it breaks. What was queued on a broken link is lost with it.
/// </summary>
internal sealed class OutboundLink : IAsyncDisposable
{
    // A core sends a handful of messages a checkpoint; a queue this deep means that the peer does not read.
    private const int QueueMax = 4096;

    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    private readonly IPEndPoint address;
    private readonly int network;
    private readonly string self;
    private readonly LinkSecurity? security;
    private readonly TimeProvider time;
    private readonly Action<LinkCondition> changed;
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private readonly Task running;
    private QuietQueue<byte[]>? queue;

    /// <param name="changed">Told each time the link comes up, breaks, or cannot be opened.</param>
    public OutboundLink(
        IPEndPoint address, int network, string self, LinkSecurity? security, TimeProvider time,
        Action<LinkCondition> changed)
    {
        this.address = address;
        this.network = network;
        this.self = self;
        this.security = security;
        this.time = time;
        this.changed = changed;
        running = Task.Run(RunAsync);
    }

    /// <summary>Queues a frame; false when there is no link now.</summary>
    public bool TrySend(byte[] frame)
    {
        lock (gate)
        {
            if (queue is null)
            {
                return false;
            }

            if (queue.TryAdd(frame))
            {
                return true;
            }

            // The peer does not read. A gap in the order must not happen, so the link ends.
            queue.Complete();
            queue = null;
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await running.ConfigureAwait(false);
        stopping.Dispose();
    }

    private async Task RunAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            (bool wasUp, LinkCondition end) = await ConnectAndSendAsync().ConfigureAwait(false);
            changed(end);
            try
            {
                await Task.Delay(wasUp ? TimeSpan.FromMilliseconds(10) : RetryAfter, time, stopping.Token)
                    .ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task<(bool WasUp, LinkCondition End)> ConnectAndSendAsync()
    {
        bool up = false;
        LinkCondition end = LinkCondition.Down;
        DataLink? link = null;
        Task[] work = [];
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
            limit.CancelAfter(ConnectTimeout);
            link = await LinkConnector.ConnectAsync(
                address, new LinkOpen(LinkKind.Control, network, string.Empty, 0, self), security, limit.Token)
                    .ConfigureAwait(false);
            var frames = new QuietQueue<byte[]>(QueueMax);
            lock (gate)
            {
                queue = frames;
            }

            up = true;
            changed(LinkCondition.Up);
            work = [SendAsync(link, frames), WatchAsync(link)];
            await Task.WhenAny(work).Unwrap().ConfigureAwait(false);
        }
        catch (Exception problem) when (problem is IOException or OperationCanceledException
            or SocketException or ObjectDisposedException)
        {
            // The caller tries again, and the heartbeat monitor judges what it means.
            if ((problem as SocketException
                ?? problem.InnerException as SocketException)
                is { SocketErrorCode: SocketError.ConnectionRefused })
            {
                end = LinkCondition.Refused;
            }
        }
        finally
        {
            lock (gate)
            {
                queue?.Complete();
                queue = null;
            }

            link?.Dispose();
        }

        // The system tells only one of the two that nothing was acknowledged, the other merely that the link is over.
        await Task.WhenAll(work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return (up, Array.Exists(work, IsSilence) ? LinkCondition.Silent : end);
    }

    private static bool IsSilence(Task ended)
    {
        for (Exception? cause = ended.Exception?.InnerException; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException { SocketErrorCode: SocketError.TimedOut })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Completes when the link can no longer be written to, or the queue has ended.</summary>
    private Task SendAsync(DataLink link, QuietQueue<byte[]> frames)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() => Send(link, frames, ended)) { IsBackground = true, Name = $"colo tells {address}" }.Start();
        return ended.Task;
    }

    private static void Send(DataLink link, QuietQueue<byte[]> frames, TaskCompletionSource ended)
    {
        UrgentThread.Raise();
        try
        {
            while (frames.TryTake(out byte[]? frame, wait: null))
            {
                link.Stream.Write(frame);
                if (frames.Count == 0)
                {
                    link.Stream.Flush();
                }
            }

            ended.TrySetResult();
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException)
        {
            ended.TrySetException(problem);
        }
    }

    /// <summary>Nothing comes back on a control link but its end: a reset by a peer whose process is gone.</summary>
    private async Task WatchAsync(DataLink link)
    {
        byte[] nothing = new byte[1];
        await link.Stream.ReadAsync(nothing, stopping.Token).ConfigureAwait(false);
        throw new IOException("the peer closed the control link");
    }
}
