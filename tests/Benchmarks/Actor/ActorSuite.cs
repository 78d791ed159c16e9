using System.Diagnostics;
using Akka.Actor;
using Akka.Configuration;

namespace Colo.Benchmarks.Actor;

/// <summary>
/// The actor engine inside one process. Written against Akka.NET's public API only, so that the same loops measure both
/// engines.
/// </summary>
internal static class ActorSuite
{
    public static void Run(Report report)
    {
        using var system = ActorSystem.Create(
            "bench", ConfigurationFactory.ParseString("akka.loglevel = WARNING\nakka.log-dead-letters = off"));
        foreach (var (pairs, window) in new[] { (1, 1), (4, 1), (16, 1), (2, 100) })
        {
            report.Measure(
                $"ping-pong, {pairs} pairs, window {window}", "msg/s",
                () => PingPong.Run(system, pairs, window, roundTrips: 1_000_000 / pairs));
        }

        report.Measure("tell flood", "msg/s", () => Flood.Run(system, 3_000_000));
        AskSequential.Run(report, system, 100_000);
        IdleActors.Run(report, system, 100_000);
        system.Terminate().Wait();
    }

    /// <summary>Operations per second.</summary>
    internal static double Rate(long operations, long started) =>
        operations / Stopwatch.GetElapsedTime(started).TotalSeconds;
}
