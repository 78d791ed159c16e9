using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Colo.Vmm.Qemu;

/// <summary>What a running QEMU is, as its state file says.</summary>
public enum QemuRole
{
    /// <summary>Has not answered yet, waits for a state, or replicates: worth nothing without the node that wired
    /// it.</summary>
    Replicating = 1,

    /// <summary>Runs the guest alone by the arbiter's word.</summary>
    Alone = 2,

    /// <summary>A secondary that has the arbiter's word and is being told to take over: from the first command on its
    /// overlays may be on their way into the image.</summary>
    TakingOver = 3,
}

/// <summary>The state file's content.</summary>
/// <param name="ProcessId">The process.</param>
/// <param name="StartTicks">When it started, in the kernel's count, because process ids are used again.</param>
/// <param name="Role">What it was when the file was written.</param>
/// <param name="WasSecondary">Its disks and cards are wired as a secondary's.</param>
/// <param name="Unmerged">It took over and the overlays may hold what the image does not.</param>
public sealed record QemuState(int ProcessId, long StartTicks, QemuRole Role, bool WasSecondary, bool Unmerged);

/// <summary>
/// One QEMU process: started so that it outlives this node (no pipes, a session of its own, messages to a file), or
/// found running by a node that has started again. It ends by SIGKILL only: its guest is either lost to the peer or
/// given up.
/// </summary>
public sealed class QemuProcess : IDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    private readonly QemuFolder folder;
    private readonly Process process;
    private readonly long startTicks;
    private readonly CancellationTokenSource ended = new();
    private readonly TaskCompletionSource<string> exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private QemuProcess(QemuFolder folder, Process process, long startTicks, TimeProvider? pollTime)
    {
        this.folder = folder;
        this.process = process;
        this.startTicks = startTicks;
        _ = WatchAsync(pollTime);
    }

    /// <summary>Ends with a sentence when the process does: its exit code or signal, and the last line of its
    /// log.</summary>
    public Task<string> Exited => exited.Task;

    /// <summary>Set when the process has ended.</summary>
    public CancellationToken Ended => ended.Token;

    public int Id => process.Id;

    /// <summary>
    /// The process is there, and has not begun to end. The kernel says that it ends before it closes its first socket,
    /// so who has seen a socket close and asks this gets the right answer, however long the rest of the end takes.
    /// </summary>
    public bool Lives => StatOf(Id) is { IsEnding: false } stat && stat.StartTicks == startTicks;

    /// <summary>Starts a QEMU; its messages are appended to the folder's log.</summary>
    /// <exception cref="IOException">The program cannot be started.</exception>
    public static QemuProcess Start(string binary, IReadOnlyList<string> arguments, QemuFolder folder)
    {
        Directory.CreateDirectory(folder.Path);
        foreach (string socket in Directory.GetFiles(folder.Path, "*.sock"))
        {
            File.Delete(socket);
        }

        // The shell opens the log, so that QEMU has no pipe to this process that would break when the node ends.
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false };
        foreach (string argument in (IEnumerable<string>)
            ["-c", "log=$1; shift; exec setsid \"$@\" </dev/null >>\"$log\" 2>&1", "sh", folder.Log, binary, .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        Process process = Process.Start(start) ?? throw new IOException($"{binary} cannot be started");
        return new QemuProcess(folder, process, TicksOf(process.Id) ?? 0, pollTime: null);
    }

    /// <summary>The QEMU that an earlier life of this node left running here, or null.</summary>
    /// <param name="folder">Where its state file is.</param>
    /// <param name="time">By this clock it is looked whether it still runs: only a parent is told of an end.</param>
    public static (QemuProcess Process, QemuState State)? FindRunning(QemuFolder folder, TimeProvider time)
    {
        if (ReadState(folder) is not { } state || TicksOf(state.ProcessId) != state.StartTicks)
        {
            return null;
        }

        try
        {
            return (new QemuProcess(folder, Process.GetProcessById(state.ProcessId), state.StartTicks, time), state);
        }
        catch (ArgumentException)
        {
            return null; // it ended in between
        }
    }

    /// <summary>What the last QEMU here was, whether it runs or not; null when there was none or the file makes no
    /// sense.</summary>
    public static QemuState? ReadState(QemuFolder folder)
    {
        try
        {
            return File.Exists(folder.State) ? JsonSerializer.Deserialize<QemuState>(File.ReadAllBytes(folder.State)) : null;
        }
        catch (Exception problem) when (problem is JsonException or IOException)
        {
            return null;
        }
    }

    /// <summary>Whether the last QEMU here still runs, whoever started it.</summary>
    public static bool IsRunning(QemuFolder folder) => ReadState(folder) is { } state && TicksOf(state.ProcessId) == state.StartTicks;

    /// <summary>Notes the role, for a node that starts again.</summary>
    public void Note(QemuRole role, bool wasSecondary, bool unmerged)
    {
        string beside = folder.State + ".new";
        using (FileStream file = new(beside, FileMode.Create, FileAccess.Write))
        {
            JsonSerializer.Serialize(file, new QemuState(Id, startTicks, role, wasSecondary, unmerged));
            file.Flush(flushToDisk: true);
        }

        File.Move(beside, folder.State, overwrite: true);
    }

    /// <summary>SIGKILL; returns when the process is gone.</summary>
    public void Kill()
    {
        if (TicksOf(Id) == startTicks)
        {
            try
            {
                process.Kill();
            }
            catch (Exception problem) when (problem is InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                // It ended by itself just now.
            }
        }

        exited.Task.Wait(TimeSpan.FromSeconds(10));
    }

    public void Dispose() => process.Dispose();

    private static long? TicksOf(int processId) => StatOf(processId)?.StartTicks;

    /// <summary>Null when there is no such process, or a zombie of one.</summary>
    private static (long StartTicks, bool IsEnding)? StatOf(int processId)
    {
        const long isExiting = 4; // PF_EXITING, which a task gets before it lets go of its files
        try
        {
            // Fields 9 and 22, counted after the command's name, which may hold anything but ends with the last
            // parenthesis.
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            long flags = long.Parse(fields[6], CultureInfo.InvariantCulture);
            return fields[0] is "Z" or "X" ? null
                : (long.Parse(fields[19], CultureInfo.InvariantCulture), (flags & isExiting) != 0);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <param name="pollTime">Null for a child, whose end is an event.</param>
    private async Task WatchAsync(TimeProvider? pollTime)
    {
        string how = "ended";
        if (pollTime is null)
        {
            await process.WaitForExitAsync().ConfigureAwait(false);
            how = process.ExitCode > 128
                ? string.Create(CultureInfo.InvariantCulture, $"was killed by signal {process.ExitCode - 128}")
                : string.Create(CultureInfo.InvariantCulture, $"ended with exit code {process.ExitCode}");
        }
        else
        {
            while (TicksOf(process.Id) == startTicks)
            {
                await Task.Delay(PollInterval, pollTime).ConfigureAwait(false);
            }
        }

        exited.TrySetResult($"QEMU (process {process.Id}) {how}{LastWords()}");
        await ended.CancelAsync().ConfigureAwait(false);
    }

    private string LastWords()
    {
        try
        {
            string? line = File.ReadLines(folder.Log).LastOrDefault(text => text.Length > 0 && !text.Contains("warning:", StringComparison.Ordinal));
            return line is null ? string.Empty : $"; the end of its log: {line}";
        }
        catch (IOException)
        {
            return string.Empty;
        }
    }
}
