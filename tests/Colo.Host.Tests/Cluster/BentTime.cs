namespace Colo.Host.Tests.Cluster;

/// <summary>A host's clocks: the wall clock can be set, and both go wrong by so many parts in a million.</summary>
internal sealed class BentTime(int driftPpm) : TimeProvider
{
    private readonly long began = System.GetTimestamp();
    private readonly DateTimeOffset first = System.GetUtcNow();
    private long stepTicks;

    public override long TimestampFrequency => System.TimestampFrequency;

    /// <summary>As an administrator does it, or a first answer from a time server: what is monotonic goes on.</summary>
    public void Step(TimeSpan by) => Interlocked.Add(ref stepTicks, by.Ticks);

    public override long GetTimestamp() => began + Bend(System.GetTimestamp() - began);

    public override DateTimeOffset GetUtcNow() =>
        first.AddTicks(Bend((System.GetUtcNow() - first).Ticks) + Interlocked.Read(ref stepTicks));

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new Bent(this, System.CreateTimer(callback, state, Real(dueTime), Real(period)));

    private long Bend(long elapsed) => elapsed + (long)((Int128)elapsed * driftPpm / 1_000_000);

    private TimeSpan Real(TimeSpan time) =>
        time <= TimeSpan.Zero
            ? time : TimeSpan.FromTicks((long)((Int128)time.Ticks * 1_000_000 / (1_000_000 + driftPpm)));

    private sealed class Bent(BentTime time, ITimer inner) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => inner.Change(time.Real(dueTime), time.Real(period));

        public void Dispose() => inner.Dispose();

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
