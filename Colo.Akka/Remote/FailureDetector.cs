using System.Diagnostics;

namespace Akka.Remote;

/// <summary>
/// Judges one peer by its heartbeats. Not safe for use from several threads unless the implementation says so.
/// </summary>
public abstract class FailureDetector
{
    /// <summary>Milliseconds of the process's monotonic clock.</summary>
    public static readonly Clock DefaultClock = () => (long)Stopwatch.GetElapsedTime(0).TotalMilliseconds;

    /// <summary>Whether the peer is believed to be alive. True before the first heartbeat.</summary>
    public abstract bool IsAvailable { get; }

    /// <summary>Whether a heartbeat has been seen at all.</summary>
    public abstract bool IsMonitoring { get; }

    /// <summary>Notes a heartbeat that arrived now.</summary>
    public abstract void HeartBeat();
}
