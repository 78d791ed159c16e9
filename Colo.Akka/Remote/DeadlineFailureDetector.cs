using Akka.Configuration;
using Akka.Event;

namespace Akka.Remote;

/// <summary>The peer is available until no heartbeat came for the interval plus the acceptable pause.</summary>
public class DeadlineFailureDetector : FailureDetector
{
    private readonly Lock _gate = new();
    private readonly Clock _clock;
    private readonly double _deadlineMilliseconds;
    private long? _lastHeartbeat;

    public DeadlineFailureDetector(TimeSpan acceptableHeartbeatPause, TimeSpan heartbeatInterval, Clock clock = null)
    {
        if (acceptableHeartbeatPause < TimeSpan.Zero)
        {
            throw new ArgumentException(
                $"failure-detector.acceptable-heartbeat-pause must be >= 0s, got [{acceptableHeartbeatPause}]",
                nameof(acceptableHeartbeatPause));
        }

        if (heartbeatInterval <= TimeSpan.Zero)
        {
            throw new ArgumentException(
                $"failure-detector.heartbeat-interval must be > 0s, got [{heartbeatInterval}]", nameof(heartbeatInterval));
        }

        _clock = clock ?? DefaultClock;
        _deadlineMilliseconds = acceptableHeartbeatPause.TotalMilliseconds + heartbeatInterval.TotalMilliseconds;
    }

    public DeadlineFailureDetector(Config config, EventStream ev)
        : this(config, ev, DefaultClock)
    {
    }

    internal DeadlineFailureDetector(Config config, EventStream ev, Clock clock)
        : this(config.GetTimeSpan("acceptable-heartbeat-pause"), config.GetTimeSpan("heartbeat-interval"), clock)
    {
        _ = ev;
    }

    public override bool IsAvailable
    {
        get
        {
            lock (_gate)
            {
                return _lastHeartbeat is not { } last || last + _deadlineMilliseconds > _clock();
            }
        }
    }

    public override bool IsMonitoring
    {
        get
        {
            lock (_gate)
            {
                return _lastHeartbeat is not null;
            }
        }
    }

    public sealed override void HeartBeat()
    {
        lock (_gate)
        {
            _lastHeartbeat = _clock();
        }
    }
}
