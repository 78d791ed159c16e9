namespace Colo.Actors.Protocol;

/// <summary>The host's monotonic clock as the cores read it.</summary>
public static class MonotonicClock
{
    public static Instant Now(TimeProvider time) => new(time.GetElapsedTime(0, time.GetTimestamp()).Ticks);
}
