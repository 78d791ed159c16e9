using System.Diagnostics;
using Akka.Actor;

namespace Colo.Benchmarks.Actor;

/// <summary>One Ask after the other, each awaited, with a limit of five seconds.</summary>
internal static class AskSequential
{
    public static void Run(Report report, ActorSystem system, int asks)
    {
        var echo = system.ActorOf(Props.Create(() => new Echo()));
        var latencies = new long[asks];
        var p50 = new List<double>();
        var p99 = new List<double>();
        var bytes = new List<double>();
        for (var round = 0; round < 7; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            Task.Run(() => AskAll(echo, latencies)).Wait();
            var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
            Array.Sort(latencies);
            if (round >= 2)
            {
                p50.Add(Microseconds(latencies[asks / 2]));
                p99.Add(Microseconds(latencies[asks * 99 / 100]));
                bytes.Add((double)allocated / asks);
            }
        }

        Add(report, "ask, sequential, p50", "us", p50);
        Add(report, "ask, sequential, p99", "us", p99);
        Add(report, "ask, allocated", "bytes", bytes);
        system.Stop(echo);
    }

    private static async Task AskAll(IActorRef echo, long[] latencies)
    {
        var message = new object();
        var limit = TimeSpan.FromSeconds(5);
        for (var i = 0; i < latencies.Length; i++)
        {
            var started = Stopwatch.GetTimestamp();
            await echo.Ask<object>(message, limit).ConfigureAwait(false);
            latencies[i] = Stopwatch.GetTimestamp() - started;
        }
    }

    private static double Microseconds(long ticks) => ticks * 1e6 / Stopwatch.Frequency;

    private static void Add(Report report, string name, string unit, List<double> values)
    {
        values.Sort();
        report.Add(new Figure(name, unit, values[values.Count / 2], values[0], values[^1]));
    }

    private sealed class Echo : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(message, Self);
    }
}
