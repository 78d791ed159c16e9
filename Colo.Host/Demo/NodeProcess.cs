using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Colo.Host.Demo;

/// <summary>An event as a node printed it.</summary>
public sealed record PrintedEvent(DateTimeOffset Time, string Host, int Code, string Name, string Summary);

/// <summary>One node of the lab: a real process in its namespace, watched through what it prints.</summary>
public sealed partial class NodeProcess : IDisposable
{
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

    /// <summary>SIGSTOP or SIGCONT.</summary>
    public void Freeze(bool frozen)
    {
        using Process kill = Process.Start("kill", [frozen ? "-STOP" : "-CONT", process!.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
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

        process?.Dispose();
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
                    new DateTimeOffset(DateTime.UtcNow.Date, TimeSpan.Zero) + TimeSpan.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture),
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
