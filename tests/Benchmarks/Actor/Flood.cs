using System.Diagnostics;
using Akka.Actor;

namespace Colo.Benchmarks.Actor;

/// <summary>One thread that is no actor tells one actor as fast as it can.</summary>
internal static class Flood
{
    public static double Run(ActorSystem system, int messages)
    {
        using var done = new ManualResetEventSlim();
        var counter = system.ActorOf(Props.Create(() => new Counter(messages, done)));
        var message = new object();
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < messages; i++)
        {
            counter.Tell(message, ActorRefs.NoSender);
        }

        done.Wait();
        var rate = ActorSuite.Rate(messages, started);
        system.Stop(counter);
        return rate;
    }

    private sealed class Counter(int messages, ManualResetEventSlim done) : UntypedActor
    {
        private int _left = messages;

        protected override void OnReceive(object message)
        {
            if (--_left == 0)
            {
                done.Set();
            }
        }
    }
}
