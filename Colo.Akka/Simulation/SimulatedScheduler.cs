using Akka.Actor.Internal;
using Akka.Event;

namespace Akka.Simulation;

/// <summary>The scheduler of a simulated system: the clock of its node.</summary>
internal sealed class SimulatedScheduler(SimulatedClock clock, ILoggingAdapter log) : CallbackScheduler(log)
{
    public override TimeSpan MonotonicClock => clock.Monotonic;

    protected override DateTimeOffset TimeNow => clock.GetUtcNow();

    protected override void After(TimeSpan delay, Action action) => clock.After(delay, action);
}
