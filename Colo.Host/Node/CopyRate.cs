namespace Colo.Host.Node;

/// <summary>How long a copy will still take, by how fast it went so far. Any thread.</summary>
public sealed class CopyRate(TimeProvider time)
{
    private readonly Lock gate = new();
    private long total;
    private long beganAt;
    private long beganDone;

    /// <summary>Seconds that are left; null when no copy runs or too little of it is done to say.</summary>
    public double? SecondsLeft(long done, long of)
    {
        lock (gate)
        {
            if (of == 0 || of != total || done < beganDone)
            {
                (total, beganDone, beganAt) = (of, done, time.GetTimestamp());
                return null;
            }

            double seconds = time.GetElapsedTime(beganAt).TotalSeconds;
            long copied = done - beganDone;
            return copied <= 0 || seconds < 0.5 ? null : (of - done) * seconds / copied;
        }
    }
}
