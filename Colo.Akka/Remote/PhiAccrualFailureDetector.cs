using Akka.Configuration;
using Akka.Event;

namespace Akka.Remote;

/// <summary>
/// The phi accrual failure detector of Hayashibara et al., "The phi accrual failure detector" (SRDS 2004). Suspicion
/// (phi) is
/// -log10 of the probability that a heartbeat still comes, judged by the normal distribution of past intervals; the
/// peer counts as dead from <c>threshold</c> on. The distribution function is approximated by a logistic curve, which
/// is within 0.02 % of it. Safe for use from several threads.
/// </summary>
public class PhiAccrualFailureDetector : FailureDetector
{
    private readonly Lock _gate = new();
    private readonly double _threshold;
    private readonly int _maxSampleSize;
    private readonly TimeSpan _minStdDeviation;
    private readonly TimeSpan _acceptableHeartbeatPause;
    private readonly TimeSpan _firstHeartbeatEstimate;
    private readonly Clock _clock;
    private HeartbeatHistory _history;
    private long? _lastHeartbeat;

    /// <param name="threshold">Phi from which the peer is unavailable; 8 means about one wrong suspicion in 10^8
    /// heartbeats.</param>
    /// <param name="maxSampleSize">How many intervals are remembered.</param>
    /// <param name="minStdDeviation">Floor of the standard deviation; too low a value makes the detector
    /// nervous.</param>
    /// <param name="acceptableHeartbeatPause">Silence that is forgiven on top of the mean interval.</param>
    /// <param name="firstHeartbeatEstimate">Stands in for history before there is any; its spread is a quarter of
    /// it.</param>
    /// <param name="clock">Monotonic milliseconds; null takes <see cref="FailureDetector.DefaultClock"/>.</param>
    public PhiAccrualFailureDetector(
        double threshold,
        int maxSampleSize,
        TimeSpan minStdDeviation,
        TimeSpan acceptableHeartbeatPause,
        TimeSpan firstHeartbeatEstimate,
        Clock clock = null)
        : this(clock)
    {
        Require(threshold > 0, $"threshold must be > 0, got [{threshold}]", nameof(threshold));
        Require(maxSampleSize > 0, $"maxSampleSize must be > 0, got [{maxSampleSize}]", nameof(maxSampleSize));
        Require(minStdDeviation > TimeSpan.Zero, $"minStdDeviation must be > 0, got [{minStdDeviation}]", nameof(minStdDeviation));
        Require(
            acceptableHeartbeatPause >= TimeSpan.Zero,
            $"acceptableHeartbeatPause must be >= 0, got [{acceptableHeartbeatPause}]",
            nameof(acceptableHeartbeatPause));
        Require(
            firstHeartbeatEstimate > TimeSpan.Zero,
            $"heartbeatInterval must be > 0, got [{firstHeartbeatEstimate}]",
            nameof(firstHeartbeatEstimate));
        _threshold = threshold;
        _maxSampleSize = maxSampleSize;
        _minStdDeviation = minStdDeviation;
        _acceptableHeartbeatPause = acceptableHeartbeatPause;
        _firstHeartbeatEstimate = firstHeartbeatEstimate;
        _history = FirstHistory();
    }

    /// <summary>Reads <c>threshold</c>, <c>max-sample-size</c>, <c>min-std-deviation</c>,
    /// <c>acceptable-heartbeat-pause</c> and
    /// <c>heartbeat-interval</c>, which stands in for the first interval.</summary>
    public PhiAccrualFailureDetector(Config config, EventStream ev)
        : this(config, ev, DefaultClock)
    {
    }

    internal PhiAccrualFailureDetector(Config config, EventStream ev, Clock clock)
        : this(
            config.GetDouble("threshold"),
            config.GetInt("max-sample-size"),
            config.GetTimeSpan("min-std-deviation"),
            config.GetTimeSpan("acceptable-heartbeat-pause"),
            config.GetTimeSpan("heartbeat-interval"),
            clock)
    {
        _ = ev;
    }

    protected PhiAccrualFailureDetector(Clock clock) => _clock = clock ?? DefaultClock;

    public override bool IsAvailable
    {
        get
        {
            lock (_gate)
            {
                return IsAvailableAt(_clock());
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

    /// <summary>The suspicion as of now; 0 before the first heartbeat.</summary>
    internal double CurrentPhi
    {
        get
        {
            lock (_gate)
            {
                return PhiAt(_clock());
            }
        }
    }

    public override void HeartBeat()
    {
        lock (_gate)
        {
            var now = _clock();
            // The pause that made the peer unavailable says nothing about its rhythm, so it is left out of the history.
            if (_lastHeartbeat is { } last && IsAvailableAt(now))
            {
                _history = _history.Add(Math.Max(0, now - last));
            }
            else if (_lastHeartbeat is null)
            {
                _history = FirstHistory();
            }

            _lastHeartbeat = now;
        }
    }

    internal static double Phi(double elapsed, double mean, double standardDeviation)
    {
        var y = (elapsed - mean) / standardDeviation;
        var e = Math.Exp(-y * (1.5976 + (0.070566 * y * y)));
        return elapsed > mean ? -Math.Log10(e / (1.0 + e)) : -Math.Log10(1.0 - (1.0 / (1.0 + e)));
    }

    private bool IsAvailableAt(long now) => PhiAt(now) < _threshold;

    private double PhiAt(long now)
    {
        if (_lastHeartbeat is not { } last)
        {
            return 0;
        }

        var mean = _history.Mean + _acceptableHeartbeatPause.TotalMilliseconds;
        var deviation = Math.Max(_history.StandardDeviation, _minStdDeviation.TotalMilliseconds);
        return Phi(now - last, mean, deviation);
    }

    private HeartbeatHistory FirstHistory()
    {
        var mean = _firstHeartbeatEstimate.TotalMilliseconds;
        var deviation = mean / 4;
        return HeartbeatHistory.Create(_maxSampleSize).Add(mean - deviation).Add(mean + deviation);
    }

    private static void Require(bool condition, string message, string parameter)
    {
        if (!condition)
        {
            throw new ArgumentException("failure-detector: " + message, parameter);
        }
    }
}
