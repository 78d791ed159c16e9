using System.Diagnostics;
using Akka.Actor;

namespace Colo.Benchmarks.Actor;

/// <summary>
/// Many actors that have started and have nothing to do: how fast they are made and what each one holds.
/// </summary>
internal static class IdleActors
{
    public static void Run(Report report, ActorSystem system, int count)
    {
        var held = new List<double>();
        report.Measure("create actors", "actors/s", () => Round(system, count, held), rounds: 3);
        held.Sort();
        report.Add(new Figure("idle actor", "bytes", held[held.Count / 2], held[0], held[^1]));
    }

    private static double Round(ActorSystem system, int count, List<double> held)
    {
        using var ready = new CountdownEvent(count);
        using var gone = new CountdownEvent(count);
        var props = Props.Create(() => new Idle(ready, gone));
        var actors = new IActorRef[count];
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < count; i++)
        {
            actors[i] = system.ActorOf(props);
        }

        ready.Wait();
        var rate = ActorSuite.Rate(count, started);
        held.Add((double)(GC.GetTotalMemory(forceFullCollection: true) - before) / count);
        foreach (var actor in actors)
        {
            system.Stop(actor);
        }

        gone.Wait();
        return rate;
    }

    private sealed class Idle(CountdownEvent ready, CountdownEvent gone) : UntypedActor
    {
        protected override void PreStart() => ready.Signal();

        protected override void PostStop() => gone.Signal();

        protected override void OnReceive(object message)
        {
        }
    }
}
