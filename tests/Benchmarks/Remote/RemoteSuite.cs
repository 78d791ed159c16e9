using System.Diagnostics;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Colo.Benchmarks.Actor;
using ClusterOf = Akka.Cluster.Cluster;

namespace Colo.Benchmarks.Remote;

/// <summary>Two systems over the loopback interface in one process. Written against Akka.NET's public API
/// only.</summary>
internal static class RemoteSuite
{
    private const string Base = """
        akka {
          loglevel = WARNING
          log-dead-letters = off
          actor.provider = remote
          remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
        }
        """;

    public static void Run(Report report)
    {
        using var here = ActorSystem.Create("here", ConfigurationFactory.ParseString(Base));
        using var there = ActorSystem.Create("there", ConfigurationFactory.ParseString(Base));
        there.ActorOf(Props.Create(() => new Echo()), "echo");
        var counter = new Counter.Gate();
        there.ActorOf(Props.Create(() => new Counter(counter)), "counter");
        var root = ((ExtendedActorSystem)there).Provider.DefaultAddress + "/user/";
        var echo = here.ActorSelection(root + "echo").ResolveOne(TimeSpan.FromSeconds(10)).Result;
        var sink = here.ActorSelection(root + "counter").ResolveOne(TimeSpan.FromSeconds(10)).Result;
        foreach (var (clients, window, trips) in new[] { (1, 1, 10_000), (1, 100, 200_000), (10, 100, 100_000), (10, 1000, 100_000) })
        {
            report.Measure(
                $"remote ping-pong, {clients} clients, window {window}, 100 bytes", "msg/s",
                () => PingPong(here, echo, new byte[100], clients, window, trips));
        }

        report.Measure(
            "remote ping-pong, 10 clients, window 100, 4 KiB", "msg/s",
            () => PingPong(here, echo, new byte[4096], 10, 100, 20_000));
        report.Measure("remote one-way, 100 bytes", "msg/s", () => OneWay(sink, counter, new byte[100], 1_000_000));
        report.Measure("remote one-way, 4 KiB", "msg/s", () => OneWay(sink, counter, new byte[4096], 200_000));
        AskLatency(report, echo, 5_000);
        Task.WaitAll(here.Terminate(), there.Terminate());
        SilentNode(report);
    }

    private static double PingPong(ActorSystem system, IActorRef echo, byte[] message, int clients, int window, int tripsEach)
    {
        using var done = new CountdownEvent(clients);
        var started = Stopwatch.GetTimestamp();
        var actors = Enumerable.Range(0, clients)
            .Select(_ => system.ActorOf(Props.Create(() => new Pinger(echo, message, window, tripsEach, done))))
            .ToList();
        done.Wait();
        var rate = ActorSuite.Rate(2L * clients * tripsEach, started);
        actors.ForEach(system.Stop);
        return rate;
    }

    private static double OneWay(IActorRef sink, Counter.Gate gate, byte[] message, int count)
    {
        // In portions, so that the bounded queue of the association does not overflow.
        const int portion = 5_000;
        var started = Stopwatch.GetTimestamp();
        var target = gate.Count;
        for (var sent = 0; sent < count; sent += portion)
        {
            for (var i = 0; i < portion; i++)
            {
                sink.Tell(message, ActorRefs.NoSender);
            }

            target += portion;
            gate.WaitFor(target - portion);
        }

        gate.WaitFor(target);
        return ActorSuite.Rate(count, started);
    }

    private static void AskLatency(Report report, IActorRef echo, int asks)
    {
        var p50 = new List<double>();
        var p99 = new List<double>();
        for (var round = 0; round < 5; round++)
        {
            var latencies = new long[asks];
            Task.Run(async () =>
            {
                for (var i = 0; i < asks; i++)
                {
                    var started = Stopwatch.GetTimestamp();
                    await echo.Ask<string>("ask", TimeSpan.FromSeconds(5)).ConfigureAwait(false);
                    latencies[i] = Stopwatch.GetTimestamp() - started;
                }
            }).Wait();
            Array.Sort(latencies);
            if (round > 0)
            {
                p50.Add(latencies[asks / 2] * 1e6 / Stopwatch.Frequency);
                p99.Add(latencies[asks * 99 / 100] * 1e6 / Stopwatch.Frequency);
            }
        }

        Add(report, "remote ask, p50", "us", p50);
        Add(report, "remote ask, p99", "us", p99);
    }

    /// <summary>A node whose heartbeats stop while its connections stay open, as when its host hangs.</summary>
    private static void SilentNode(Report report)
    {
        var fast = ConfigurationFactory.ParseString(File.ReadAllText(FindFastDetection()));
        var noticed = new List<double>();
        for (var round = 0; round < 3; round++)
        {
            var config = ConfigurationFactory.ParseString("""
                akka { actor.provider = cluster, loglevel = ERROR, cluster.downing-provider-class = "", coordinated-shutdown.run-by-clr-shutdown-hook = off }
                """).WithFallback(fast).WithFallback(ConfigurationFactory.ParseString(Base));
            using var watcher = ActorSystem.Create("nodes", config);
            using var silent = ActorSystem.Create("nodes", config);
            var first = ClusterOf.Get(watcher).SelfAddress;
            ClusterOf.Get(watcher).JoinAsync(first).Wait();
            ClusterOf.Get(silent).JoinAsync(first).Wait();
            // Some history for the detector: without it the first estimate is what counts.
            Thread.Sleep(2000);
            using var seen = new ManualResetEventSlim();
            var listener = watcher.ActorOf(Props.Create(() => new UnreachableListener(seen)));
            ClusterOf.Get(watcher).Subscribe(listener, typeof(ClusterEvent.UnreachableMember));
            var started = Stopwatch.GetTimestamp();
            silent.ActorSelection("/system/cluster/heartbeatReceiver").Tell(PoisonPill.Instance);
            seen.Wait();
            noticed.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            ((ExtendedActorSystem)silent).Abort();
            ((ExtendedActorSystem)watcher).Abort();
        }

        Add(report, "silent node noticed, shipped settings", "ms", noticed);
    }

    private static string FindFastDetection()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var file = Path.Combine(folder.FullName, "hocon", "engine-fast-detection.conf");
            if (File.Exists(file))
            {
                return file;
            }
        }

        throw new FileNotFoundException("hocon/engine-fast-detection.conf: expected above " + AppContext.BaseDirectory);
    }

    private static void Add(Report report, string name, string unit, List<double> values)
    {
        values.Sort();
        report.Add(new Figure(name, unit, values[values.Count / 2], values[0], values[^1]));
    }

    private sealed class Echo : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(message, Self);
    }

    private sealed class UnreachableListener(ManualResetEventSlim seen) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is ClusterEvent.UnreachableMember)
            {
                seen.Set();
            }
        }
    }

    private sealed class Counter(Counter.Gate gate) : UntypedActor
    {
        protected override void OnReceive(object message) => gate.Add();

        internal sealed class Gate
        {
            private long _count;

            internal long Count => Interlocked.Read(ref _count);

            internal void Add() => Interlocked.Increment(ref _count);

            internal void WaitFor(long count)
            {
                while (Count < count)
                {
                    Thread.Yield();
                }
            }
        }
    }

    private sealed class Pinger : UntypedActor
    {
        private readonly IActorRef _echo;
        private readonly byte[] _message;
        private readonly CountdownEvent _done;
        private int _toSend;
        private int _toReceive;

        public Pinger(IActorRef echo, byte[] message, int window, int trips, CountdownEvent done)
        {
            _echo = echo;
            _message = message;
            _done = done;
            _toReceive = trips;
            _toSend = trips;
            for (var i = 0; i < window; i++)
            {
                Send();
            }
        }

        protected override void OnReceive(object message)
        {
            if (--_toReceive == 0)
            {
                _done.Signal();
            }

            Send();
        }

        private void Send()
        {
            if (_toSend-- > 0)
            {
                _echo.Tell(_message, Self);
            }
        }
    }
}
