using System.Diagnostics;

namespace Colo.Host.Demo;

/// <summary>Measures the longest time without progress.</summary>
internal sealed class GapMeter
{
    private long last = Stopwatch.GetTimestamp();
    private long lastReport = Stopwatch.GetTimestamp();
    private TimeSpan sinceReport;

    /// <summary>Longest gap ever, in milliseconds.</summary>
    public double Longest { get; private set; }

    public void Progress()
    {
        long now = Stopwatch.GetTimestamp();
        TimeSpan gap = Stopwatch.GetElapsedTime(last, now);
        last = now;
        sinceReport = gap > sinceReport ? gap : sinceReport;
        Longest = Math.Max(Longest, gap.TotalMilliseconds);
    }

    /// <summary>Reports the longest gap since the last report, not more often than the interval.</summary>
    public void ReportEach(TimeSpan interval, Action<double> report)
    {
        if (Stopwatch.GetElapsedTime(lastReport, last) >= interval)
        {
            report(sinceReport.TotalMilliseconds);
            lastReport = last;
            sinceReport = TimeSpan.Zero;
        }
    }
}
