using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Qemu;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// A running QEMU with its monitor and its console. Tells once when it is lost: it ended, its monitor ended or spoke
/// nonsense, or, while it is half of a pair, it did not answer. What is lost is killed, so that it cannot come back.
/// </summary>
internal sealed class QemuGuest : IAsyncDisposable
{
    private static readonly TimeSpan WatchInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan RunningTimeout = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan AskAgainInterval = TimeSpan.FromMilliseconds(20);

    private readonly QemuVmOptions options;
    private readonly QemuProcess process;
    private readonly Action<QemuGuest, QmpEvent> happened;
    private readonly Action<QemuGuest, string> lost;
    private readonly CancellationTokenSource ending = new();
    private TaskCompletionSource resume = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Socket? console;
    private int over;

    private QemuGuest(QemuVmOptions options, QemuProcess process, Action<QemuGuest, QmpEvent> happened, Action<QemuGuest, string> lost)
    {
        this.options = options;
        this.process = process;
        this.happened = happened;
        this.lost = lost;
    }

    public QemuMonitor Monitor { get; private set; } = null!;

    public int ProcessId => process.Id;

    /// <summary>Asked of the kernel, which knows before the watch does; and one whose monitor has ended is about to be
    /// killed by the watch.</summary>
    public bool Lives => process.Lives && !Monitor.Closed.IsCompleted;

    /// <summary>Its disks and cards are wired as a secondary's.</summary>
    public required bool WasSecondary { get; init; }

    /// <summary>The secondary's overlays may hold what the image does not.</summary>
    public bool Unmerged { get; set; }

    /// <summary>Half of a pair, or on the way there.</summary>
    public bool Replicating { get; set; }

    /// <summary>Starts a QEMU, writes down that it is there, and connects to it.</summary>
    /// <exception cref="IOException">It ended at once, does not answer, or its state file cannot be written.</exception>
    public static Task<QemuGuest> StartAsync(
        QemuVmOptions options, bool asSecondary, Action<QemuGuest, QmpEvent> happened, Action<QemuGuest, string> lost)
    {
        IReadOnlyList<string> arguments = asSecondary
            ? QemuCommandLine.Secondary(options.Guest, options.Folder)
            : QemuCommandLine.Primary(options.Guest, options.Folder);
        QemuProcess process = QemuProcess.Start(options.Guest.Binary, arguments, options.Folder);
        var guest = new QemuGuest(options, process, happened, lost) { WasSecondary = asSecondary, Replicating = asSecondary };
        try
        {
            // Before it answers: if the node is killed meanwhile, its next life finds the process, which keeps the
            // image locked, and ends it.
            process.Note(QemuRole.Replicating, asSecondary, unmerged: false);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            guest.Kill();
            throw;
        }

        return guest.ConnectAsync();
    }

    /// <summary>Takes over a QEMU that an earlier life of this node has started.</summary>
    /// <exception cref="IOException">It does not answer.</exception>
    public static Task<QemuGuest> AdoptAsync(
        QemuVmOptions options, QemuProcess process, QemuState state, Action<QemuGuest, QmpEvent> happened, Action<QemuGuest, string> lost) =>
        new QemuGuest(options, process, happened, lost) { WasSecondary = state.WasSecondary, Unmerged = state.Unmerged }.ConnectAsync();

    /// <summary>Writes down what this QEMU is, for a node that starts again.</summary>
    public void Note() => process.Note(Replicating ? QemuRole.Replicating : QemuRole.Alone, WasSecondary, Unmerged);

    /// <summary>Writes down that this secondary is about to take over: if node and QEMU end in the middle of it, what
    /// the overlays hold still has to go into the image.</summary>
    public void NoteTakeover(bool hasDisks)
    {
        Unmerged = hasDisks;
        process.Note(QemuRole.TakingOver, WasSecondary, Unmerged);
    }

    /// <summary>The guest runs; if it stands although nobody wants that, it is told to go on.</summary>
    /// <returns>Null, or a sentence: what it does instead.</returns>
    public async Task<string?> MakeRunningAsync()
    {
        TimeSpan timeout = options.HangTimeout > RunningTimeout ? options.HangTimeout : RunningTimeout;
        long began = options.Time.GetTimestamp();
        string status = "unknown";
        while (options.Time.GetElapsedTime(began) < timeout)
        {
            Task resumed = Volatile.Read(ref resume).Task;
            try
            {
                JsonElement answer = await Monitor.AskAsync("query-status", options.HangTimeout).ConfigureAwait(false);
                status = answer.GetProperty("status").GetString() ?? status;
                if (status == "running")
                {
                    return null;
                }

                if (status is "paused" or "postmigrate" or "finish-migrate")
                {
                    await Monitor.AskAsync("cont", options.HangTimeout).ConfigureAwait(false);
                }
            }
            catch (QmpException problem)
            {
                status = problem.Description;
                if (process.Ended.IsCancellationRequested)
                {
                    return status;
                }
            }

            // RESUME tells of most ways to go on; a guest that stands by a state which no event ends is asked again.
            using var over = CancellationTokenSource.CreateLinkedTokenSource(process.Ended);
            await Task.WhenAny(resumed, Task.Delay(AskAgainInterval, options.Time, over.Token)).ConfigureAwait(false);
            await over.CancelAsync().ConfigureAwait(false);
        }

        return $"the guest does not run: {status}";
    }

    public void Type(byte[] bytes)
    {
        try
        {
            console?.Send(bytes);
        }
        catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
        {
            // Nobody listens any more.
        }
    }

    /// <summary>SIGKILL at once. Nothing is told: it was asked for.</summary>
    public void Kill()
    {
        Interlocked.Exchange(ref over, 1);
        ending.Cancel();
        process.Kill();
    }

    /// <summary>Lets go of the process without ending it.</summary>
    public async ValueTask DisposeAsync()
    {
        Interlocked.Exchange(ref over, 1);
        await ending.CancelAsync().ConfigureAwait(false);
        console?.Dispose();
        if (Monitor is not null)
        {
            await Monitor.DisposeAsync().ConfigureAwait(false);
        }

        process.Dispose();
    }

    private async Task<QemuGuest> ConnectAsync()
    {
        try
        {
            Monitor = await QemuMonitor.ConnectAsync(
                options.Folder.Monitor, OnEvent, options.Time, options.StartTimeout, process.Ended)
                .ConfigureAwait(false);

            // One bound for all: who is not given up by the watch is not given up by a plan either.
            Monitor.Patience = options.HangTimeout;
            if (!Monitor.Capabilities.IsSupported)
            {
                throw new IOException($"QEMU {Monitor.Capabilities.Version} is older than {QemuCapabilities.Oldest}, which Colo needs");
            }

            console = QemuRelay.Connect(options.Folder.Console);
        }
        catch (Exception problem) when (problem is IOException or OperationCanceledException or SocketException)
        {
            bool ended = process.Ended.IsCancellationRequested;
            Kill();
            throw new IOException(ended ? await process.Exited.ConfigureAwait(false) : problem.Message, problem);
        }

        _ = ReadConsoleAsync();
        _ = WatchAsync();
        return this;
    }

    private void OnEvent(QmpEvent observed)
    {
        happened(this, observed);
        if (observed.Name == "RESUME")
        {
            Interlocked.Exchange(ref resume, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        }
    }

    private async Task ReadConsoleAsync()
    {
        byte[] buffer = new byte[4096];
        try
        {
            int length;
            while ((length = await console!.ReceiveAsync(buffer).ConfigureAwait(false)) > 0)
            {
                options.Printed(buffer.AsMemory(0, length));
            }
        }
        catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
        {
            // The end of the process is watched elsewhere.
        }
    }

    private async Task WatchAsync()
    {
        string why;
        while (true)
        {
            Task first = await Task.WhenAny(process.Exited, Monitor.Closed, Task.Delay(WatchInterval, options.Time, ending.Token))
                .ConfigureAwait(false);
            if (ending.IsCancellationRequested)
            {
                return;
            }

            if (process.Exited.IsCompleted)
            {
                why = await process.Exited.ConfigureAwait(false);
                break;
            }

            if (first == Monitor.Closed)
            {
                why = $"the monitor of QEMU ended: {await Monitor.Closed.ConfigureAwait(false)}";
                break;
            }

            if (Replicating && await HangsAsync().ConfigureAwait(false) is { } hang)
            {
                why = hang;
                break;
            }
        }

        process.Kill();
        if (process.Exited.IsCompletedSuccessfully && why.StartsWith("the monitor", StringComparison.Ordinal))
        {
            why = $"{await process.Exited.ConfigureAwait(false)} ({why})";
        }

        if (Interlocked.Exchange(ref over, 1) == 0)
        {
            lost(this, why);
        }
    }

    private async Task<string?> HangsAsync()
    {
        try
        {
            await Monitor.AskAsync("query-status", options.HangTimeout, (JsonObject?)null).ConfigureAwait(false);
            return null;
        }
        catch (QmpException problem) when (problem.ErrorClass == QmpException.Timeout)
        {
            return $"QEMU (process {process.Id}) hangs: {problem.Description}";
        }
        catch (QmpException)
        {
            return null; // the end of the connection is told by the connection
        }
    }
}
