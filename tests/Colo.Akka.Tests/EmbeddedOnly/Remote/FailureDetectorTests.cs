using Akka.Configuration;
using Akka.Remote;

namespace Colo.Akka.Tests.EmbeddedOnly.Remote;

public class FailureDetectorTests
{
    private long _now;

    private PhiAccrualFailureDetector Phi(double threshold = 8, double pauseMs = 0, double firstMs = 1000) => new(
        threshold, 1000, TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(pauseMs), TimeSpan.FromMilliseconds(firstMs), () => _now);

    private static void Beat(FailureDetector detector, ref long now, int count, long interval)
    {
        for (var i = 0; i < count; i++)
        {
            detector.HeartBeat();
            now += interval;
        }
    }

    [Fact]
    public void Phi_detector_is_available_and_not_monitoring_before_the_first_heartbeat()
    {
        var detector = Phi();
        Assert.True(detector.IsAvailable);
        Assert.False(detector.IsMonitoring);
        detector.HeartBeat();
        Assert.True(detector.IsMonitoring);
    }

    [Fact]
    public void Phi_grows_with_silence_and_crosses_the_threshold()
    {
        var detector = Phi();
        Beat(detector, ref _now, 20, 1000);
        Assert.True(detector.IsAvailable);
        var before = detector.CurrentPhi;
        _now += 400;
        Assert.True(detector.CurrentPhi > before);
        _now += 10_000;
        Assert.False(detector.IsAvailable);
    }

    [Fact]
    public void Phi_detector_recovers_after_heartbeats_return()
    {
        var detector = Phi();
        Beat(detector, ref _now, 10, 1000);
        _now += 60_000;
        Assert.False(detector.IsAvailable);
        detector.HeartBeat();
        _now += 900;
        Assert.True(detector.IsAvailable);
    }

    [Fact]
    public void Acceptable_pause_is_forgiven()
    {
        var detector = Phi(pauseMs: 3000);
        Beat(detector, ref _now, 20, 1000);
        _now += 2_000;
        Assert.True(detector.IsAvailable);
        _now += 3_000;
        Assert.False(detector.IsAvailable);
    }

    [Fact]
    public void Shipped_fast_settings_notice_silence_in_under_half_a_second()
    {
        var detector = new PhiAccrualFailureDetector(
            8, 200, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(150), TimeSpan.FromMilliseconds(50), () => _now);
        Beat(detector, ref _now, 100, 50);
        _now -= 50;
        var start = _now;
        while (detector.IsAvailable)
        {
            _now++;
        }

        Assert.InRange(_now - start, 150, 450);
    }

    [Theory]
    [InlineData(0, 0.3, 0.31)]
    [InlineData(500, 1.9, 4.0)]
    public void Phi_is_the_logarithm_of_the_probability(double late, double low, double high) =>
        Assert.InRange(PhiAccrualFailureDetector.Phi(1000 + late, 1000, 150), low, high);

    [Fact]
    public void History_forgets_the_oldest_interval()
    {
        var history = HeartbeatHistory.Create(3);
        foreach (var interval in new[] { 1000.0, 10, 20, 30 })
        {
            history = history.Add(interval);
        }

        Assert.Equal(20, history.Mean, 6);
        Assert.Equal(Math.Sqrt(200.0 / 3), history.StandardDeviation, 6);
    }

    [Fact]
    public void Deadline_detector_waits_for_the_interval_and_the_pause()
    {
        var detector = new DeadlineFailureDetector(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(1), () => _now);
        Assert.True(detector.IsAvailable);
        detector.HeartBeat();
        _now = 3_999;
        Assert.True(detector.IsAvailable);
        _now = 4_000;
        Assert.False(detector.IsAvailable);
    }

    [Fact]
    public void Impossible_settings_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Phi(threshold: 0));
        Assert.Throws<ArgumentException>(() => Phi(firstMs: 0));
        Assert.Throws<ArgumentException>(() => new DeadlineFailureDetector(TimeSpan.FromSeconds(1), TimeSpan.Zero));
    }

    [Fact]
    public void Detectors_read_their_section()
    {
        var config = ConfigurationFactory.FromResource("Akka.Configuration.Cluster.conf").GetConfig("akka.cluster.failure-detector");
        Assert.True(new PhiAccrualFailureDetector(config, null!).IsAvailable);
        Assert.True(new DeadlineFailureDetector(config, null!).IsAvailable);
    }

    [Fact]
    public void Registry_judges_each_peer_on_its_own()
    {
        var registry = new DefaultFailureDetectorRegistry<string>(() => Phi());
        Assert.True(registry.IsAvailable("a"));
        Assert.False(registry.IsMonitoring("a"));
        registry.Heartbeat("a");
        _now += 20_000;
        registry.Heartbeat("b");
        Assert.False(registry.IsAvailable("a"));
        Assert.True(registry.IsAvailable("b"));
        registry.Remove("a");
        Assert.True(registry.IsAvailable("a"));
        registry.Reset();
        Assert.False(registry.IsMonitoring("b"));
    }
}
