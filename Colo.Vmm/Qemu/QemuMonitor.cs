using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Colo.Vmm.Qemu;

/// <summary>
/// The monitor of a running QEMU: runs plans one after another and hands events to a listener. A plan that has to cut a
/// link does it out of band, so it need not wait for a command that hangs; see <see cref="CutAsync"/>.
/// </summary>
public sealed class QemuMonitor : IAsyncDisposable
{
    private readonly TimeProvider time;
    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly Lock gate = new();
    private readonly Action<QmpEvent> listener;
    private Channel<QmpEvent>? events;
    private QmpClient? client;

    private QemuMonitor(Action<QmpEvent> listener, TimeProvider time)
    {
        this.listener = listener;
        this.time = time;
    }

    /// <summary>What this QEMU's version can do.</summary>
    public QemuCapabilities Capabilities => new(client!.Version);

    /// <summary>Every command of a plan has at least so long for its answer. Default: what its step says.</summary>
    public TimeSpan Patience { get; set; }

    /// <summary>Ends, with a sentence, when the connection does.</summary>
    public Task<string> Closed => client!.Closed;

    /// <summary>Connects, trying again until QEMU listens.</summary>
    /// <param name="path">The monitor's socket.</param>
    /// <param name="listener">Told of every event, in order, on the connection's own task.</param>
    /// <param name="time">Clock of the time-outs.</param>
    /// <param name="timeout">For all tries.</param>
    /// <param name="giveUp">Set when trying on makes no sense, for example because the process has ended.</param>
    /// <exception cref="IOException">Nobody answered in time, or what answered speaks no QMP.</exception>
    public static async Task<QemuMonitor> ConnectAsync(
        string path, Action<QmpEvent> listener, TimeProvider time, TimeSpan timeout, CancellationToken giveUp)
    {
        var monitor = new QemuMonitor(listener, time);
        long began = time.GetTimestamp();
        while (true)
        {
            giveUp.ThrowIfCancellationRequested();
            TimeSpan left = timeout - time.GetElapsedTime(began);
            try
            {
                monitor.client = await QmpClient.ConnectAsync(path, monitor.Take, left > TimeSpan.Zero ? left : TimeSpan.Zero, time, giveUp)
                    .ConfigureAwait(false);
                return monitor;
            }
            catch (System.Net.Sockets.SocketException problem)
            {
                if (left <= TimeSpan.Zero)
                {
                    throw new IOException($"{path}: {problem.Message}", problem);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(10), time, giveUp).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Carries a plan out, after those before it.</summary>
    public async Task<QemuMove> RunAsync(QemuPlan plan, CancellationToken cancellation = default)
    {
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        Channel<QmpEvent> happening = Channel.CreateUnbounded<QmpEvent>();
        lock (gate)
        {
            events = happening;
        }

        try
        {
            return await RunAsync(new QemuPlanRun(plan), happening.Reader, cancellation).ConfigureAwait(false);
        }
        finally
        {
            lock (gate)
            {
                events = null;
            }

            turn.Release();
        }
    }

    /// <summary>Runs a plan of out-of-band commands at once, beside whatever else runs.</summary>
    public Task<QemuMove> CutAsync(QemuPlan plan) =>
        RunAsync(new QemuPlanRun(plan), Channel.CreateUnbounded<QmpEvent>().Reader, CancellationToken.None);

    /// <summary>One command on its own, beside plans.</summary>
    /// <exception cref="QmpException">Refused, timed out, or the connection ended.</exception>
    public Task<JsonElement> AskAsync(string command, TimeSpan timeout, JsonObject? arguments = null) =>
        client!.ExecuteAsync(command, arguments, timeout);

    public async ValueTask DisposeAsync()
    {
        if (client is not null)
        {
            await client.DisposeAsync().ConfigureAwait(false);
        }

        turn.Dispose();
    }

    private async Task<QemuMove> RunAsync(QemuPlanRun run, ChannelReader<QmpEvent> happening, CancellationToken cancellation)
    {
        QemuMove move = run.Begin();
        while (true)
        {
            switch (move)
            {
                case QemuMove.Send send:
                    move = await SendAsync(run, send, happening).ConfigureAwait(false);
                    break;
                case QemuMove.Wait wait:
                    // What is given up is still taken back, and that is waited for.
                    CancellationToken givenUp = run.IsGoingBack ? CancellationToken.None : cancellation;
                    move = await WaitAsync(run, wait.Timeout, happening, givenUp).ConfigureAwait(false);
                    break;
                default:
                    return move;
            }
        }
    }

    private async Task<QemuMove> SendAsync(QemuPlanRun run, QemuMove.Send send, ChannelReader<QmpEvent> happening)
    {
        TimeSpan limit = send.Step.Timeout > Patience ? send.Step.Timeout : Patience;
        try
        {
            JsonElement value = send.Step.OutOfBand && client!.HasOutOfBand
                ? await client.ExecuteOutOfBandAsync(send.Step.Command, send.Arguments, limit).ConfigureAwait(false)
                : await client!.ExecuteAsync(send.Step.Command, send.Arguments, limit).ConfigureAwait(false);
            while (happening.TryRead(out QmpEvent? happened))
            {
                run.OnEvent(happened);
            }

            return run.OnReply(value);
        }
        catch (QmpException problem) when (problem.ErrorClass == QmpException.Closed || client!.Closed.IsCompleted)
        {
            return run.OnClosed(problem.Description);
        }
        catch (QmpException problem)
        {
            return run.OnRefused(problem.Description);
        }
    }

    private async Task<QemuMove> WaitAsync(
        QemuPlanRun run, TimeSpan timeout, ChannelReader<QmpEvent> happening, CancellationToken cancellation)
    {
        long began = time.GetTimestamp();
        while (true)
        {
            TimeSpan left = timeout - time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero)
            {
                return run.OnWaitTimeout();
            }

            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            Task<QmpEvent> next = happening.ReadAsync(limit.Token).AsTask();
            Task first = await Task.WhenAny(next, client!.Closed, Task.Delay(left, time, limit.Token)).ConfigureAwait(false);
            if (first == next && next.IsCompletedSuccessfully)
            {
                if (run.OnEvent(await next.ConfigureAwait(false)) is { } move)
                {
                    await limit.CancelAsync().ConfigureAwait(false);
                    return move;
                }
            }

            await limit.CancelAsync().ConfigureAwait(false);
            if (client.Closed.IsCompleted)
            {
                return run.OnClosed(await client.Closed.ConfigureAwait(false));
            }

            if (cancellation.IsCancellationRequested)
            {
                return run.OnRefused("given up");
            }
        }
    }

    private void Take(QmpEvent happened)
    {
        // The listener first: when a plan is done, what it waited for has been heard.
        listener(happened);
        lock (gate)
        {
            events?.Writer.TryWrite(happened);
        }
    }
}
