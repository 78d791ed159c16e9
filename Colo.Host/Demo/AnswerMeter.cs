using System.Diagnostics;

namespace Colo.Host.Demo;

/// <summary>Counts and times the answers of a closed loop of small requests, and reports on the way and at the
/// end.</summary>
internal sealed class AnswerMeter(TimeSpan duration, TimeSpan interval, Action<ClientReport> report)
{
    private readonly GapMeter gaps = new();
    private readonly List<double> latencies = [];
    private readonly long began = Stopwatch.GetTimestamp();
    private long asked;

    /// <summary>Answers so far.</summary>
    public long Count { get; private set; }

    /// <summary>Whether the time is over; never with a duration of zero.</summary>
    public bool IsOver => duration > TimeSpan.Zero && Stopwatch.GetElapsedTime(began) >= duration;

    public void Begin() => asked = Stopwatch.GetTimestamp();

    public void Answered() => Answered(asked);

    /// <summary>For one of several requests under way, asked at this time of the stopwatch.</summary>
    public void Answered(long askedAt)
    {
        Count++;
        if (duration > TimeSpan.Zero)
        {
            latencies.Add(Stopwatch.GetElapsedTime(askedAt).TotalMilliseconds);
        }

        gaps.Progress();
        gaps.ReportEach(interval, gap => report(new ClientReport(LabClient.Now(), Count, gap)));
    }

    public void End()
    {
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        latencies.Sort();
        report(new ClientReport(
            LabClient.Now(), Count, gaps.Longest, Done: true, Seconds: seconds, MedianMs: At(0.5), P99Ms: At(0.99)));
    }

    private double At(double share) => latencies.Count == 0 ? 0 : latencies[Math.Min(latencies.Count - 1, (int)(latencies.Count * share))];
}
