using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Dispatch;
using Akka.Event;

namespace Colo.Simulation.EmbeddedOnly;

/// <summary>What an actor system of one life of a host takes for the machine: threads and clock of the simulated
/// world.</summary>
internal sealed class HostRuntime(SimWorld world, SimHost host, SimVm life) : RuntimeHooks
{
    /// <summary>The longest wait of an actor for a thread, in microseconds.</summary>
    private const long StepMicros = 30;

    private readonly SeededRandom _random = world.Random($"actors-{host.Place}-{host.Incarnations}");
    private long _lastUid;

    public TimeProvider Time { get; } = new HostTime(world, host, life);

    public override TimeSpan MonotonicNow => TimeSpan.FromTicks(host.LocalNow.Ticks);

    public override DateTimeOffset UtcNow => DateTimeOffset.UnixEpoch + MonotonicNow;

    public override void Execute(IRunnable work) =>
        world.Scheduler.After(_random.Between(0, StepMicros), () => life.Post(work.Run));

    public override IScheduler CreateScheduler(ActorSystem system, ILoggingAdapter log) => new HostScheduler(this, log);

    public override long NextUid() => ++_lastUid;

    public override double NextDouble() => (_random.Next() >> 11) * (1.0 / (1UL << 53));

    public override void Delivering(ActorCell cell, object message) => world.Trace.Mix(message.GetType().Name);

    private void After(TimeSpan delay, Action action) =>
        world.Scheduler.After(host.ToWorld(delay), () => life.Post(action));

    private sealed class HostScheduler(HostRuntime runtime, ILoggingAdapter log) : CallbackScheduler(log)
    {
        public override TimeSpan MonotonicClock => runtime.MonotonicNow;

        protected override DateTimeOffset TimeNow => runtime.UtcNow;

        protected override void After(TimeSpan delay, Action action) => runtime.After(delay, action);
    }

    /// <summary>The host's clock as production code gets it.</summary>
    private sealed class HostTime(SimWorld world, SimHost host, SimVm life) : TimeProvider
    {
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => host.LocalNow.Ticks;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(host.LocalNow.Ticks);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new HostTimer(this, callback, state);
            timer.Change(dueTime, period);
            return timer;
        }

        private sealed class HostTimer(HostTime time, TimerCallback callback, object? state) : ITimer
        {
            private int _generation;

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                int generation = ++_generation;
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    time.After(dueTime, () => Fire(generation, period));
                }

                return true;
            }

            public void Dispose() => _generation++;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }

            private void Fire(int generation, TimeSpan period)
            {
                if (generation == _generation)
                {
                    if (period > TimeSpan.Zero)
                    {
                        Change(period, period);
                    }

                    callback(state);
                }
            }
        }

        private void After(TimeSpan delay, Action action) =>
            world.Scheduler.After(host.ToWorld(delay), () => life.Post(action));
    }
}
