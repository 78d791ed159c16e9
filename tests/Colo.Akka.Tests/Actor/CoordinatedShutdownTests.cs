using Akka;
using Akka.Actor;
using Akka.Configuration;

namespace Colo.Akka.Tests.Actor;

public sealed class CoordinatedShutdownTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Phases_run_in_the_order_of_their_dependencies_and_end_with_the_system()
    {
        var system = ActorSystem.Create("phases");
        var shutdown = CoordinatedShutdown.Get(system);
        string[] phases =
        [
            CoordinatedShutdown.PhaseBeforeServiceUnbind, CoordinatedShutdown.PhaseServiceUnbind,
            CoordinatedShutdown.PhaseServiceRequestsDone, CoordinatedShutdown.PhaseServiceStop,
            CoordinatedShutdown.PhaseBeforeClusterShutdown, CoordinatedShutdown.PhaseClusterShardingShutdownRegion,
            CoordinatedShutdown.PhaseClusterLeave, CoordinatedShutdown.PhaseClusterExiting,
            CoordinatedShutdown.PhaseClusterExitingDone, CoordinatedShutdown.PhaseClusterShutdown,
            CoordinatedShutdown.PhaseBeforeActorSystemTerminate,
        ];
        var seen = new List<string>();
        foreach (var phase in phases.Reverse())
        {
            shutdown.AddTask(phase, "note", () =>
            {
                lock (seen)
                {
                    seen.Add(phase);
                }

                return Task.FromResult(Done.Instance);
            });
        }

        await shutdown.Run(CoordinatedShutdown.ClusterLeavingReason.Instance).WaitAsync(Limit);
        Assert.Equal(phases, seen);
        Assert.Same(CoordinatedShutdown.ClusterLeavingReason.Instance, shutdown.ShutdownReason);
        await system.WhenTerminated.WaitAsync(Limit);
    }

    [Fact]
    public async Task Terminate_runs_the_phases_too_and_the_first_reason_stays()
    {
        var system = ActorSystem.Create("reason");
        var shutdown = CoordinatedShutdown.Get(system);
        var runs = 0;
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceStop, "count", () =>
        {
            Interlocked.Increment(ref runs);
            return Task.FromResult(Done.Instance);
        });
        await system.Terminate().WaitAsync(Limit);
        await shutdown.Run(CoordinatedShutdown.UnknownReason.Instance).WaitAsync(Limit);
        Assert.Equal(1, runs);
        Assert.Same(CoordinatedShutdown.ActorSystemTerminateReason.Instance, shutdown.ShutdownReason);
    }

    [Fact]
    public async Task A_phase_that_may_recover_does_not_hold_up_the_rest()
    {
        var system = ActorSystem.Create("recover", ConfigurationFactory.ParseString(
            "akka.loglevel = ERROR\nakka.coordinated-shutdown.phases.service-stop { timeout = 100ms, recover = on }"));
        var shutdown = CoordinatedShutdown.Get(system);
        Assert.Equal(TimeSpan.FromMilliseconds(100), shutdown.Timeout(CoordinatedShutdown.PhaseServiceStop));
        shutdown.AddTask(
            CoordinatedShutdown.PhaseServiceStop, "never ends", () => new TaskCompletionSource<Done>().Task);
        await shutdown.Run(CoordinatedShutdown.UnknownReason.Instance).WaitAsync(Limit);
        await system.WhenTerminated.WaitAsync(Limit);
    }

    [Fact]
    public async Task An_unknown_phase_is_refused()
    {
        var system = ActorSystem.Create("unknown");
        Assert.ThrowsAny<Exception>(
            () => CoordinatedShutdown.Get(system).AddTask("no-such-phase", "x", () => Task.FromResult(Done.Instance)));
        await system.Terminate().WaitAsync(Limit);
    }

    [Fact]
    public async Task Termination_callbacks_run_when_all_actors_have_stopped_the_last_one_first()
    {
        var system = ActorSystem.Create("callbacks");
        var seen = new List<int>();
        system.RegisterOnTermination(() => seen.Add(1));
        system.RegisterOnTermination(() => seen.Add(2));
        await system.Terminate().WaitAsync(Limit);
        Assert.Equal([2, 1], seen);
        Assert.Throws<InvalidOperationException>(() => system.RegisterOnTermination(() => { }));
    }
}
