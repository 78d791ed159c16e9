using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Colo.Host.Demo;

/// <summary>An event as a node printed it.</summary>
public sealed record PrintedEvent(DateTimeOffset Time, string Host, int Code, string Name, string Summary);

/// <summary>One node of the lab: a real process in its namespace, watched through what it prints.</summary>
public sealed partial class NodeProcess : IDisposable
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(60);

    private readonly string config;
    private readonly Action<PrintedEvent> happened;
    private readonly Lock gate = new();
    private readonly List<PrintedEvent> events = [];
    private readonly List<(Func<PrintedEvent, bool> Match, TaskCompletionSource<PrintedEvent> Found)> waiting = [];
    private Process? process;

    public NodeProcess(string name, string config, string logPath, Action<PrintedEvent> happened)
    {
        Name = name;
        this.config = config;
        LogPath = logPath;
        this.happened = happened;
    }

    public string Name { get; }

    /// <summary>Everything the node has printed, over all its lives.</summary>
    public string LogPath { get; }

    public bool IsRunning => process is { HasExited: false };

    /// <summary>Number of the running process.</summary>
    public int ProcessId => process!.Id;

    /// <summary>All events so far.</summary>
    public IReadOnlyList<PrintedEvent> Events
    {
        get
        {
            lock (gate)
            {
                return [.. events];
            }
        }
    }

    public void Start()
    {
        string self = Environment.ProcessPath!;
        ProcessStartInfo start = NetworkLab.Inside(Name, self, "node", "--config", config);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        process = Process.Start(start) ?? throw new InvalidOperationException($"{Name} could not be started");
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>SIGKILL, as if the power had gone.</summary>
    public void Kill()
    {
        process!.Kill();
        process.WaitForExit();
    }

    /// <summary>SIGSTOP or SIGCONT. Returns when no thread of a frozen node runs any more.</summary>
    /// <exception cref="TimeoutException">It does not stop.</exception>
    public void Freeze(bool frozen)
    {
        string id = process!.Id.ToString(CultureInfo.InvariantCulture);
        using Process kill = Process.Start("kill", [frozen ? "-STOP" : "-CONT", id]);
        kill.WaitForExit();
        if (frozen && !SpinWait.SpinUntil(() => process.HasExited || StandsStill(id), StopLimit))
        {
            throw new TimeoutException($"{Name} has not stopped within {StopLimit.TotalSeconds:0} s");
        }
    }

    /// <summary>The next event that matches, or one that came at or after <paramref name="since"/>.</summary>
    public Task<PrintedEvent> WhenAsync(Func<PrintedEvent, bool> match, DateTimeOffset since)
    {
        lock (gate)
        {
            PrintedEvent? known = events.Find(printed => printed.Time >= since && match(printed));
            if (known is not null)
            {
                return Task.FromResult(known);
            }

            var found = new TaskCompletionSource<PrintedEvent>(TaskCreationOptions.RunContinuationsAsynchronously);
            waiting.Add((match, found));
            return found.Task;
        }
    }

    public void Dispose()
    {
        if (IsRunning)
        {
            Kill();
        }

        process?.WaitForExit(); // its last lines are in the log then, whose folder may be removed next
        process?.Dispose();
    }

    /// <summary>Each thread is stopped; a signal is only on its way when it has been sent.</summary>
    private static bool StandsStill(string id)
    {
        try
        {
            return Directory.GetDirectories($"/proc/{id}/task").All(task =>
            {
                string stat = File.ReadAllText(Path.Combine(task, "stat"));
                return stat[stat.LastIndexOf(')') + 2] is 'T' or 't' or 'Z' or 'X';
            });
        }
        catch (IOException)
        {
            return false; // a thread has ended meanwhile
        }
    }

    /// <summary>What nodes print has no day: it is the moment of this time of day that is nearest to now.</summary>
    internal static DateTimeOffset MomentOf(string timeOfDay, DateTimeOffset now)
    {
        DateTimeOffset today = new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero)
            + TimeSpan.Parse(timeOfDay, CultureInfo.InvariantCulture);
        return today - now > TimeSpan.FromHours(12) ? today.AddDays(-1)
            : now - today > TimeSpan.FromHours(12) ? today.AddDays(1)
            : today;
    }

    [GeneratedRegex(@"^(\d\d:\d\d:\d\d\.\d\d\d) (\S+) E(\d+) (\S+) .*?: (.*)$")]
    private static partial Regex EventLine();

    private void Take(string? line)
    {
        if (line is null)
        {
            return;
        }

        Match match = EventLine().Match(line);
        PrintedEvent? printed = null;
        lock (gate)
        {
            File.AppendAllText(LogPath, line + "\n");
            if (match.Success)
            {
                printed = new PrintedEvent(
                    MomentOf(match.Groups[1].Value, DateTimeOffset.UtcNow),
                    match.Groups[2].Value, int.Parse(match.Groups[3].Value, CultureInfo.InvariantCulture),
                    match.Groups[4].Value, match.Groups[5].Value);
                events.Add(printed);
                foreach ((Func<PrintedEvent, bool> wanted, TaskCompletionSource<PrintedEvent> found) in waiting)
                {
                    if (wanted(printed))
                    {
                        found.TrySetResult(printed);
                    }
                }
            }
        }

        if (printed is not null)
        {
            happened(printed);
        }
    }
}
