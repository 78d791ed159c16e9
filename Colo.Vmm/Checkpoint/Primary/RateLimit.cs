namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>
/// A token bucket in bytes. The time comes from outside, so a test or a simulation decides how fast it fills.
/// </summary>
internal sealed class RateLimit
{
    private readonly TimeProvider _time;
    private readonly double _bytesPerSecond;
    private readonly double _burstBytes;
    private long _mark;
    private double _tokens;

    /// <param name="time">The clock.</param>
    /// <param name="bytesPerSecond">Rate, greater than 0.</param>
    /// <param name="burstBytes">Most that can be saved up.</param>
    public RateLimit(TimeProvider time, double bytesPerSecond, double burstBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytesPerSecond);
        _time = time;
        _bytesPerSecond = bytesPerSecond;
        _burstBytes = burstBytes;
        _tokens = burstBytes;
        _mark = time.GetTimestamp();
    }

    /// <summary>Bytes that may be sent now; negative after more was sent than was there.</summary>
    public long Available
    {
        get
        {
            var now = _time.GetTimestamp();
            _tokens = Math.Min(_burstBytes, _tokens + _time.GetElapsedTime(_mark, now).TotalSeconds * _bytesPerSecond);
            _mark = now;
            return (long)_tokens;
        }
    }

    public void Spend(long bytes) => _tokens -= bytes;

    /// <summary>How long until this many bytes may be sent.</summary>
    public TimeSpan TimeUntil(long bytes)
    {
        var missing = Math.Min(bytes, _burstBytes) - Available;
        return missing <= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(missing / _bytesPerSecond);
    }
}
