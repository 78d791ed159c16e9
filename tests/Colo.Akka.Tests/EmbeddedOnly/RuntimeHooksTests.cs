using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Colo.Akka.Tests.EmbeddedOnly;

/// <summary>A system needs nothing of the machine when the hooks give it a thread, a clock and numbers.</summary>
public sealed class RuntimeHooksTests
{
    [Fact]
    public void Systems_run_to_their_end_on_one_thread_in_virtual_time()
    {
        var world = new World();
        var first = world.Create("first");
        var second = world.Create("second");
        var log = new List<string>();
        first.ActorOf(Props.Create(() => new Clockwork(log)), "clock");
        second.ActorOf(Props.Create(() => new Clockwork(log)), "clock");
        world.RunFor(TimeSpan.FromHours(3));

        Assert.Equal(
            ["first 1h", "second 1h", "first 2h", "second 2h", "first 3h", "second 3h"],
            log.Select(l => l.Split('@')[0]));
        Assert.All(log, l => Assert.EndsWith("@" + Environment.CurrentManagedThreadId, l, StringComparison.Ordinal));

        var ended = first.Terminate();
        world.RunFor(TimeSpan.FromSeconds(1));
        Assert.True(ended.IsCompletedSuccessfully);
        Assert.False(second.WhenTerminated.IsCompleted);
    }

    [Fact]
    public void An_ask_times_out_in_virtual_time_and_async_handlers_stay_on_the_thread()
    {
        var world = new World();
        var system = world.Create("asking");
        var log = new List<string>();
        var silent = system.ActorOf(Props.Create(() => new Silent()));
        system.ActorOf(Props.Create(() => new Asker(silent, log))).Tell("go");
        world.RunFor(TimeSpan.FromSeconds(59));
        Assert.Empty(log);
        world.RunFor(TimeSpan.FromSeconds(2));
        Assert.Equal([$"timeout on thread {Environment.CurrentManagedThreadId}"], log);
    }

    private sealed class Clockwork : UntypedActor, IWithTimers
    {
        private readonly List<string> _log;
        private int _hours;

        public Clockwork(List<string> log) => _log = log;

        public ITimerScheduler Timers { get; set; } = null!;

        protected override void PreStart() => Timers.StartPeriodicTimer("hour", "hour", TimeSpan.FromHours(1));

        protected override void OnReceive(object message) =>
            _log.Add($"{Context.System.Name} {++_hours}h@{Environment.CurrentManagedThreadId}");
    }

    private sealed class Silent : UntypedActor
    {
        protected override void OnReceive(object message)
        {
        }
    }

    private sealed class Asker : ReceiveActor
    {
        public Asker(IActorRef silent, List<string> log) => ReceiveAsync<string>(async _ =>
        {
            try
            {
                await silent.Ask("anybody?", TimeSpan.FromMinutes(1));
            }
            catch (AskTimeoutException)
            {
                log.Add($"timeout on thread {Environment.CurrentManagedThreadId}");
            }
        });
    }

    /// <summary>The smallest possible simulation: first in, first out, and a clock that jumps.</summary>
    private sealed class World : RuntimeHooks
    {
        private readonly Queue<IRunnable> _work = new();
        private readonly PriorityQueue<Action, (TimeSpan Due, long Order)> _timers = new();
        private TimeSpan _now;
        private long _order;
        private long _uid;

        public override TimeSpan MonotonicNow => _now;

        public override DateTimeOffset UtcNow => DateTimeOffset.UnixEpoch + _now;

        public ActorSystem Create(string name) => ActorSystem.Create(name, ActorSystemSetup.Create(
            new RuntimeHooksSetup(this),
            BootstrapSetup.Create().WithConfig(ConfigurationFactory.ParseString("akka.loglevel = WARNING"))));

        public void RunFor(TimeSpan time)
        {
            var end = _now + time;
            while (true)
            {
                while (_work.TryDequeue(out var work))
                {
                    work.Run();
                }

                if (!_timers.TryPeek(out _, out var next) || next.Due > end)
                {
                    _now = end;
                    return;
                }

                var action = _timers.Dequeue();
                _now = next.Due > _now ? next.Due : _now;
                action();
            }
        }

        public override void Execute(IRunnable work) => _work.Enqueue(work);

        public override IScheduler CreateScheduler(ActorSystem system, ILoggingAdapter log) => new WorldScheduler(this, log);

        public override long NextUid() => ++_uid;

        public override double NextDouble() => 0.5;

        private void Add(TimeSpan delay, Action action) => _timers.Enqueue(action, (_now + delay, _order++));

        private sealed class WorldScheduler(World world, ILoggingAdapter log) : CallbackScheduler(log)
        {
            public override TimeSpan MonotonicClock => world._now;

            protected override DateTimeOffset TimeNow => world.UtcNow;

            protected override void After(TimeSpan delay, Action action) => world.Add(delay, action);
        }
    }
}
