using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;
using Akka.Configuration;
using Colo.Akka.Tests.Remote;
using ClusterOf = Akka.Cluster.Cluster;

namespace Colo.Akka.Tests.Cluster;

/// <summary>Cluster nodes in one process, with quick settings; waits are for events, not for time.</summary>
internal sealed class ClusterNodes : IAsyncDisposable
{
    internal static readonly TimeSpan HangBound = RemoteSystems.HangBound;

    /// <summary>For tests in which silence is to be noticed. In all others nobody is given up: a machine with much to
    /// do is silent now and then.</summary>
    internal const string Noticing = """
        akka.cluster.failure-detector.acceptable-heartbeat-pause = 4s
        akka.cluster.split-brain-resolver.stable-after = 2s

        """;

    private const string Fast = """
        akka {
          actor.provider = cluster
          loglevel = WARNING
          stdout-loglevel = OFF
          loggers = []
          log-dead-letters = off
          coordinated-shutdown.run-by-clr-shutdown-hook = off
          remote {
            retry-gate-closed-for = 100ms
            flush-wait-on-shutdown = 1s
            dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
          }
          cluster {
            seed-node-timeout = 500ms
            periodic-tasks-initial-delay = 50ms
            gossip-interval = 50ms
            leader-actions-interval = 50ms
            unreachable-nodes-reaper-interval = 50ms
            allow-weakly-up-members = 2s
            failure-detector {
              heartbeat-interval = 50ms
              acceptable-heartbeat-pause = 60s
              min-std-deviation = 50ms
              expected-response-after = 500ms
            }
            split-brain-resolver.stable-after = 1s
          }
        }
        """;

    private readonly List<ActorSystem> _systems = [];

    /// <summary>Set to put the nodes on a network of the test's own.</summary>
    internal Setup? Transport { get; init; }

    internal ActorSystem Create(string extra = "")
    {
        var config = ConfigurationFactory.ParseString(extra).WithFallback(ConfigurationFactory.ParseString(Fast));
        var bootstrap = BootstrapSetup.Create().WithConfig(config);
        var system = ActorSystem.Create(
            "nodes", Transport is null ? ActorSystemSetup.Create(bootstrap) : ActorSystemSetup.Create(bootstrap, Transport));
        _systems.Add(system);
        return system;
    }

    /// <summary>A cluster of this many members, all Up; the first one founded it.</summary>
    internal async Task<IReadOnlyList<ActorSystem>> Form(int count, string extra = "")
    {
        var systems = Enumerable.Range(0, count).Select(_ => Create(extra)).ToList();
        var first = ClusterOf.Get(systems[0]);
        foreach (var system in systems)
        {
            await ClusterOf.Get(system).JoinAsync(first.SelfAddress).WaitAsync(HangBound);
        }

        foreach (var system in systems)
        {
            await Until(system, state => state.Members.Count(member => member.Status == MemberStatus.Up) == count, $"{count} members Up");
        }

        return systems;
    }

    /// <summary>Waits until the state of a node satisfies a condition; looks again at each event.</summary>
    internal static async Task Until(ActorSystem system, Func<ClusterEvent.CurrentClusterState, bool> condition, string what)
    {
        var cluster = ClusterOf.Get(system);
        var events = new Inboxed(system);
        cluster.Subscribe(events.Ref, typeof(ClusterEvent.IClusterDomainEvent));
        try
        {
            while (!condition(cluster.State))
            {
                await events.Next();
            }
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{cluster.SelfAddress} waited for {what}; it sees {string.Join(", ", cluster.State.Members)}, "
                + $"unreachable {string.Join(", ", cluster.State.Unreachable)}, seen by {string.Join(", ", cluster.State.SeenBy)}");
        }

        system.Stop(events.Ref);
    }

    /// <summary>Ends a node without any goodbye to the cluster.</summary>
    internal static Task Crash(ActorSystem system)
    {
        ((ExtendedActorSystem)system).Abort();
        return system.WhenTerminated;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var system in _systems)
        {
            ((ExtendedActorSystem)system).Abort();
        }

        foreach (var system in _systems)
        {
            await system.WhenTerminated.WaitAsync(HangBound);
        }
    }
}
