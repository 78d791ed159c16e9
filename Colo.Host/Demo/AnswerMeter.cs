using System.Diagnostics;

namespace Colo.Host.Demo;

/// <summary>
/// Counts and times the answers of a closed loop of small requests, and reports on the way and at the end. With a
/// duration it measures only after a warm-up: a client that has just started is still being compiled, which on a host
/// without a free processor is taken from the guest that it is to measure.
/// </summary>
/// <param name="duration">How long to measure; zero for as long as the client lives, without a figure at the
/// end.</param>
/// <param name="interval">Between two reports.</param>
/// <param name="report">Where they go.</param>
internal sealed class AnswerMeter(TimeSpan duration, TimeSpan interval, Action<ClientReport> report)
{
    /// <summary>Time before the measured time.</summary>
    public static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1.5);

    private readonly GapMeter gaps = new();
    private readonly List<double> latencies = [];
    private readonly long began = Stopwatch.GetTimestamp();
    private long measuredFrom;
    private long asked;

    /// <summary>Answers so far.</summary>
    public long Count { get; private set; }

    /// <summary>Whether the time is over; never with a duration of zero.</summary>
    public bool IsOver => measuredFrom != 0 && Stopwatch.GetElapsedTime(measuredFrom) >= duration;

    public void Begin() => asked = Stopwatch.GetTimestamp();

    public void Answered() => Answered(asked);

    /// <summary>For one of several requests under way, asked at this time of the stopwatch.</summary>
    public void Answered(long askedAt)
    {
        Count++;
        if (measuredFrom != 0)
        {
            latencies.Add(Stopwatch.GetElapsedTime(askedAt).TotalMilliseconds);
        }
        else if (duration > TimeSpan.Zero && Stopwatch.GetElapsedTime(began) >= WarmUp)
        {
            measuredFrom = Stopwatch.GetTimestamp();
        }

        gaps.Progress();
        gaps.ReportEach(interval, gap => report(new ClientReport(LabClient.Now(), Count, gap)));
    }

    public void End()
    {
        double seconds = measuredFrom == 0 ? 0 : Stopwatch.GetElapsedTime(measuredFrom).TotalSeconds;
        int measured = latencies.Count;
        latencies.Sort();
        report(new ClientReport(
            LabClient.Now(), Count, gaps.Longest, Done: true, Seconds: seconds,
            PerSecond: measured == 0 ? 0 : measured / seconds, MedianMs: At(0.5), P99Ms: At(0.99)));
    }

    private double At(double share) => latencies.Count == 0 ? 0 : latencies[Math.Min(latencies.Count - 1, (int)(latencies.Count * share))];
}
