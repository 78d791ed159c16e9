using Akka.Actor;
using Akka.Simulation;
using Xunit.Abstractions;

namespace Colo.Akka.Tests.EmbeddedOnly.Simulation;

/// <summary>What the simulation promises of itself.</summary>
public sealed class SimulationWorldTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);

    [Fact]
    public void The_same_seed_gives_the_same_run_and_another_seed_another()
    {
        var hashes = new HashSet<ulong>();
        for (var seed = 1UL; seed <= 20; seed++)
        {
            var first = SimulationWorld.Run(seed, ClusterScenarios.CrashAndRejoin);
            var second = SimulationWorld.Run(seed, ClusterScenarios.CrashAndRejoin);
            Assert.True(first.Passed, first.ToString());
            Assert.Equal(first.ToString(), second.ToString());
            Assert.True(hashes.Add(first.Hash));
        }
    }

    [Fact]
    public void A_seed_means_the_same_in_every_process()
    {
        // With hashes of strings, addresses of objects or the time of day in a choice, these would differ.
        var here = SimulationWorld.Run(11, ClusterScenarios.CrashAndRejoin).ToString();
        Assert.Equal(here, OtherProcess.Run(11));
        Assert.Equal(here, OtherProcess.Run(11));
    }

    [Fact]
    public void Time_is_virtual_and_waits_cost_nothing() => SimulationSeeds.Check(output, 20, world =>
    {
        var log = new List<string>();
        var node = world.AddNode("a");
        node.Start().ActorOf(Props.Create(() => new Clockwork(log)), "clock");
        world.RunFor(TimeSpan.FromHours(3.5));
        Assert.Equal(["1", "2", "3"], log);
    });

    [Fact]
    public void Mailboxes_take_turns_in_an_order_that_the_seed_draws()
    {
        var orders = new HashSet<string>();
        for (var seed = 1UL; seed <= 40; seed++)
        {
            var log = new List<string>();
            var world = new SimulationWorld(seed);
            var system = world.AddNode("a").Start();
            foreach (var name in (string[])["x", "y", "z"])
            {
                system.ActorOf(Props.Create(() => new Scribe(log, name)), name).Tell("now");
            }

            world.RunFor(TimeSpan.FromSeconds(1));
            orders.Add(string.Concat(log));
        }

        Assert.Equal(6, orders.Count);
    }

    [Fact]
    public void Ask_PipeTo_and_async_handlers_stay_in_the_world() => SimulationSeeds.Check(output, 50, world =>
    {
        var log = new List<string>();
        var node = world.AddNode("a");
        var system = node.Start();
        var slow = system.ActorOf(Props.Create(() => new SlowAnswerer(node.Clock)), "slow");
        var asker = system.ActorOf(Props.Create(() => new Asker(slow, log)), "asker");
        asker.Tell("go");
        world.Await("both answers", () => log.Count == 2, Long);
        Assert.Equal(["awaited 1", "piped 2"], log.Order());
        Assert.Throws<AskTimeoutException>(() => Answer(world, asker.Ask<string>("never", TimeSpan.FromSeconds(3))));
    });

    [Fact]
    public void Coordinated_shutdown_runs_its_tasks_in_the_world() => SimulationSeeds.Check(output, 30, world =>
    {
        var log = new List<string>();
        var node = world.AddNode("a", "akka.coordinated-shutdown.phases.service-unbind.recover = on");
        var system = node.Start();
        var shutdown = CoordinatedShutdown.Get(system);
        foreach (var phase in (string[])[CoordinatedShutdown.PhaseServiceStop, CoordinatedShutdown.PhaseBeforeServiceUnbind])
        {
            shutdown.AddTask(phase, "slow", async () =>
            {
                await Task.Delay(TimeSpan.FromSeconds(2), node.Clock);
                log.Add($"{phase} {Environment.CurrentManagedThreadId}");
                return global::Akka.Done.Instance;
            });
        }

        // Longer than the phase allows: left behind after the limit.
        shutdown.AddTask(
            CoordinatedShutdown.PhaseServiceUnbind, "stuck", () => new TaskCompletionSource<global::Akka.Done>().Task);
        var ended = system.Terminate();
        world.Await("the end", () => ended.IsCompletedSuccessfully, Long);
        var thread = Environment.CurrentManagedThreadId;
        Assert.Equal([$"before-service-unbind {thread}", $"service-stop {thread}"], log);
        Assert.True(world.Now > TimeSpan.FromSeconds(8));
    });

    [Fact]
    public void Clocks_of_nodes_drift_apart() => SimulationSeeds.Check(
        output, 10,
        world =>
        {
            var (a, b) = (world.AddNode("a"), world.AddNode("b"));
            a.Start();
            b.Start();
            var before = (a.Clock.GetUtcNow(), b.Clock.GetUtcNow());
            world.RunFor(TimeSpan.FromHours(1));
            var (ofA, ofB) = (a.Clock.GetUtcNow() - before.Item1, b.Clock.GetUtcNow() - before.Item2);
            Assert.NotEqual(ofA, ofB);
            Assert.InRange((ofA - ofB).Duration(), TimeSpan.FromTicks(1), TimeSpan.FromMinutes(2));
        },
        new SimulationOptions { ClockDriftMax = 0.01 });

    [Fact]
    public void A_node_that_stands_still_does_nothing_and_then_goes_on() => SimulationSeeds.Check(output, 20, world =>
    {
        var log = new List<string>();
        var node = world.AddNode("a");
        node.Start().ActorOf(Props.Create(() => new Clockwork(log)), "clock");
        world.RunFor(TimeSpan.FromMinutes(30));
        node.Pause(TimeSpan.FromHours(2));
        world.RunFor(TimeSpan.FromMinutes(119));
        Assert.Empty(log);
        world.RunFor(TimeSpan.FromMinutes(2));
        Assert.NotEmpty(log);
    });

    [Fact]
    public void A_failed_run_says_which_command_runs_it_again()
    {
        var options = new SimulationOptions { ReplayCommand = "replay {0}" };
        var result = SimulationWorld.Run(77, world => world.Await("what never comes", () => false, Long), options);
        Assert.False(result.Passed);
        Assert.Contains("seed 77", result.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("replay: replay 77", result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Code_that_leaves_the_thread_fails_the_run()
    {
        var result = SimulationWorld.Run(1, world =>
        {
            var seen = new List<string>();
            var actor = world.AddNode("a").Start().ActorOf(Props.Create(() => new Scribe(seen, "a")));
            var thread = new Thread(() => actor.Tell("from outside"));
            thread.Start();
            Assert.True(thread.Join(TimeSpan.FromSeconds(60)));
            world.RunFor(TimeSpan.FromSeconds(1));
        });
        Assert.Contains("from another thread", result.Failure!.Message, StringComparison.Ordinal);
    }

    private static T Answer<T>(SimulationWorld world, Task<T> task)
    {
        world.Await("the answer", () => task.IsCompleted, Long);
        return task.GetAwaiter().GetResult();
    }

    private sealed class Clockwork : UntypedActor, IWithTimers
    {
        private readonly List<string> _log;

        public Clockwork(List<string> log) => _log = log;

        public ITimerScheduler Timers { get; set; } = null!;

        protected override void PreStart() => Timers.StartPeriodicTimer("hour", "hour", TimeSpan.FromHours(1));

        protected override void OnReceive(object message) =>
            _log.Add((_log.Count + 1).ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    private sealed class Scribe(List<string> log, string name) : UntypedActor
    {
        protected override void OnReceive(object message) => log.Add(name);
    }

    private sealed class SlowAnswerer : ReceiveActor
    {
        public SlowAnswerer(TimeProvider clock) => ReceiveAsync<int>(async number =>
        {
            await Task.Delay(TimeSpan.FromSeconds(number), clock);
            Sender.Tell(number);
        });
    }

    private sealed class Asker : ReceiveActor
    {
        public Asker(IActorRef slow, List<string> log)
        {
            var self = Self;
            ReceiveAsync<string>(text => text == "go", async go =>
            {
                _ = slow.Ask<int>(2).PipeTo(self);
                log.Add("awaited " + await slow.Ask<int>(1, TimeSpan.FromSeconds(30)));
            });
            Receive<int>(number => log.Add("piped " + number));
        }
    }
}
