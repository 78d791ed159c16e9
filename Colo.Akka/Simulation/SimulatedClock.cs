namespace Akka.Simulation;

/// <summary>
/// The clock of one place: virtual time, run a little fast or slow, from a beginning of its own. What is injected as
/// <see cref="TimeProvider"/> in production.
/// </summary>
internal sealed class SimulatedClock(
    SimulationWorld world, NodeRuntime node, double rate, TimeSpan monotonicBase, DateTimeOffset epoch) : TimeProvider
{
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    internal TimeSpan Monotonic => monotonicBase + Passed;

    private TimeSpan Passed => TimeSpan.FromTicks((long)(world.Now.Ticks * rate));

    public override long GetTimestamp() => Monotonic.Ticks;

    public override DateTimeOffset GetUtcNow() => epoch + Passed;

    public override ITimer CreateTimer(TimerCallback callback, object state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ClockTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Runs after a time by this clock.</summary>
    internal void After(TimeSpan delay, Action action) =>
        world.After(TimeSpan.FromTicks((long)(delay.Ticks / rate)), node, action);

    private sealed class ClockTimer(SimulatedClock clock, TimerCallback callback, object state) : ITimer
    {
        private int _generation;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _generation++;
            if (dueTime != Timeout.InfiniteTimeSpan)
            {
                Arm(_generation, dueTime, period);
            }

            return true;
        }

        public void Dispose() => _generation++;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Arm(int generation, TimeSpan delay, TimeSpan period) => clock.After(delay, () =>
        {
            if (generation != _generation)
            {
                return;
            }

            if (period > TimeSpan.Zero)
            {
                Arm(generation, period, period);
            }

            callback(state);
        });
    }
}
