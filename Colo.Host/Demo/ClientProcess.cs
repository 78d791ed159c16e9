using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Colo.Host.Demo;

/// <summary>A <see cref="LabClient"/> in its own process, and what it has reported.</summary>
public sealed class ClientProcess : IDisposable
{
    private readonly Process process;
    private readonly Lock gate = new();
    private readonly List<ClientReport> reports = [];
    private readonly TaskCompletionSource first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ClientProcess(string kind, string address, long amount, long bytesPerSecond)
    {
        ProcessStartInfo start = NetworkLab.Inside(
            NetworkLab.Client, Environment.ProcessPath!, "lab-client", kind, address,
            amount.ToString(CultureInfo.InvariantCulture), bytesPerSecond.ToString(CultureInfo.InvariantCulture));
        start.RedirectStandardOutput = true;
        process = Process.Start(start) ?? throw new InvalidOperationException("the client could not be started");
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
    }

    /// <summary>Completes with the first report, or when the client has ended without one.</summary>
    public Task FirstReport => first.Task;

    /// <summary>Completes when the client has ended.</summary>
    public Task Ended => ended.Task;

    public ClientReport? Last
    {
        get
        {
            lock (gate)
            {
                return reports.Count == 0 ? null : reports[^1];
            }
        }
    }

    /// <summary>Longest gap reported between two points of Unix time in milliseconds.</summary>
    public double LongestGap(long fromMs, long toMs)
    {
        lock (gate)
        {
            return reports.Where(report => report.AtMs >= fromMs && report.AtMs <= toMs).Select(report => report.GapMs).DefaultIfEmpty().Max();
        }
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill();
            process.WaitForExit();
        }

        process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null)
        {
            first.TrySetResult();
            ended.TrySetResult();
            return;
        }

        if (JsonSerializer.Deserialize<ClientReport>(line, JsonSerializerOptions.Web) is { } report)
        {
            lock (gate)
            {
                reports.Add(report);
            }

            first.TrySetResult();
        }
    }
}
