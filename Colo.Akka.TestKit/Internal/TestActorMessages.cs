using Akka.Actor;

namespace Akka.TestKit.Internal;

/// <summary>Orders to a test actor, which are not messages of the test.</summary>
internal abstract record TestActorOrder : INoSerializationVerificationNeeded;

internal sealed record SetIgnore(Func<object, bool> Ignore) : TestActorOrder;

internal sealed record SetPilot(AutoPilot Pilot) : TestActorOrder;

internal sealed record WatchOrder(IActorRef Subject) : TestActorOrder;

internal sealed record UnwatchOrder(IActorRef Subject) : TestActorOrder;

internal sealed record SpawnOrder(Props Props, string Name, SupervisorStrategy Strategy) : TestActorOrder;

/// <summary>Puts what it gets into the queue of the test.</summary>
internal sealed class InternalTestActor(EnvelopeQueue queue) : ActorBase
{
    private Func<object, bool> _ignore = static _ => false;
    private AutoPilot _pilot = AutoPilot.NoAutoPilot;
    private SupervisorStrategy _strategy;

    protected override SupervisorStrategy SupervisorStrategy() => new DelegatingStrategy(this);

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case SetIgnore ignore:
                _ignore = ignore.Ignore ?? (static _ => false);
                break;
            case SetPilot pilot:
                _pilot = pilot.Pilot;
                break;
            case WatchOrder watch:
                Context.Watch(watch.Subject);
                break;
            case UnwatchOrder unwatch:
                Context.Unwatch(unwatch.Subject);
                break;
            case SpawnOrder spawn:
                _strategy = spawn.Strategy ?? _strategy;
                Sender.Tell(Context.ActorOf(spawn.Props, spawn.Name), Self);
                break;
            default:
                Deliver(message);
                break;
        }

        return true;
    }

    private void Deliver(object message)
    {
        if (_pilot is not NoAutoPilotType)
        {
            var next = _pilot.Run(Sender, message);
            _pilot = next is KeepRunningType ? _pilot : next;
        }

        if (!_ignore(message))
        {
            queue.Add(new RealMessageEnvelope(message, Sender));
        }
    }

    private sealed class DelegatingStrategy(InternalTestActor actor)
        : OneForOneStrategy(e => (actor._strategy ?? DefaultStrategy).Decider.Decide(e));
}
