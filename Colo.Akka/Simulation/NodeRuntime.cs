using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.Simulation;

/// <summary>
/// One life of a node, from its start to its end or crash: what the actor system takes for the machine. After the crash
/// nothing of it happens any more, though its objects are still there.
/// </summary>
internal sealed class NodeRuntime : RuntimeHooks
{
    private readonly SimulationWorld _world;
    private readonly SimulationRandom _random;
    private long _lastUid;

    public NodeRuntime(SimulationWorld world, string name, SimulationRandom random, SimulationOptions options)
    {
        _world = world;
        Name = name;
        _random = random;
        var drift = ((random.NextDouble() * 2) - 1) * options.ClockDriftMax;
        Clock = new SimulatedClock(
            world, this, 1 + drift, random.Between(TimeSpan.Zero, TimeSpan.FromHours(1)),
            options.Epoch + random.Between(-options.ClockOffsetMax, options.ClockOffsetMax));

        // Far from the numbers of other lives, so that a mix-up shows.
        _lastUid = 1 + random.Below(1 << 30);
    }

    public string Name { get; }

    public SimulatedClock Clock { get; }

    public bool IsAlive { get; private set; } = true;

    /// <summary>Until then the node stands still, in world time.</summary>
    public TimeSpan PausedUntil { get; set; }

    public override TimeSpan MonotonicNow => Clock.Monotonic;

    public override DateTimeOffset UtcNow => Clock.GetUtcNow();

    public void End() => IsAlive = false;

    public override void Execute(IRunnable work) => _world.Execute(this, work);

    public override IScheduler CreateScheduler(ActorSystem system, ILoggingAdapter log) =>
        new SimulatedScheduler(Clock, log);

    public override long NextUid() => ++_lastUid;

    public override double NextDouble() => _random.NextDouble();

    public override void Sending(object message) => _world.IsOurs($"the message {message.GetType().Name}");

    public override void Delivering(ActorCell cell, object message) =>
        _world.Note(this, $"{cell.Self.Path.ToStringWithoutAddress()} <- {message.GetType().FullName}");

    /// <summary>A line of the log, for the reader of the story.</summary>
    internal void Log(LogEvent log) => _world.Tell(this, $"{log.LogLevel()} {log.LogSource}: {log.Message} {log.Cause?.Message}");
}
