using System.Diagnostics;

namespace Akka.Util;

/// <summary>Time since the process first asked; never goes back.</summary>
public static class MonotonicClock
{
    private static readonly long Start = Stopwatch.GetTimestamp();

    public static TimeSpan Elapsed => Stopwatch.GetElapsedTime(Start);

    public static TimeSpan ElapsedHighRes => Elapsed;

    public static long GetMilliseconds() => (long)Elapsed.TotalMilliseconds;

    public static long GetTicks() => Elapsed.Ticks;
}
