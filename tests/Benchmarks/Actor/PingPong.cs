using System.Diagnostics;
using Akka.Actor;

namespace Colo.Benchmarks.Actor;

/// <summary>
/// Pairs of actors that throw messages back and forth, <c>window</c> of them in the air for each pair.
/// </summary>
internal static class PingPong
{
    public static double Run(ActorSystem system, int pairs, int window, int roundTrips)
    {
        using var done = new CountdownEvent(pairs);
        var clients = new IActorRef[pairs];
        for (var i = 0; i < pairs; i++)
        {
            var echo = system.ActorOf(Props.Create(() => new Echo()));
            clients[i] = system.ActorOf(Props.Create(() => new Client(echo, window, roundTrips, done)));
        }

        var started = Stopwatch.GetTimestamp();
        foreach (var client in clients)
        {
            client.Tell(Start.Instance);
        }

        done.Wait();
        return ActorSuite.Rate(2L * pairs * roundTrips, started);
    }

    private sealed class Start
    {
        public static readonly Start Instance = new();
    }

    private sealed class Ball
    {
        public static readonly Ball Instance = new();
    }

    private sealed class Echo : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(message, Self);
    }

    private sealed class Client(IActorRef echo, int window, int roundTrips, CountdownEvent done) : UntypedActor
    {
        private int _toSend = roundTrips;
        private int _toReceive = roundTrips;

        protected override void OnReceive(object message)
        {
            if (message is Start)
            {
                for (var i = 0; i < window; i++)
                {
                    Send();
                }

                return;
            }

            if (--_toReceive == 0)
            {
                Context.Stop(echo);
                Context.Stop(Self);
                done.Signal();
                return;
            }

            Send();
        }

        private void Send()
        {
            if (_toSend > 0)
            {
                _toSend--;
                echo.Tell(Ball.Instance, Self);
            }
        }
    }
}
