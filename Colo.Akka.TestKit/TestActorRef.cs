using Akka.Actor;
using Akka.Actor.Internal;

namespace Akka.TestKit;

/// <summary>An actor that runs on the thread of the test, with its instance in reach.</summary>
public class TestActorRef<TActor> : LocalActorRef
    where TActor : ActorBase
{
    public TestActorRef(ActorSystem system, Props actorProps, IActorRef supervisor = null, string name = null)
        : base(
            (ActorSystemImpl)system,
            actorProps.Dispatcher is null ? actorProps.WithDispatcher(CallingThreadDispatcher.Id) : actorProps,
            system.Dispatchers.Lookup(actorProps.Dispatcher ?? CallingThreadDispatcher.Id),
            system.Mailboxes.GetMailboxType(actorProps, null),
            Supervisor(system, supervisor),
            Reserve(system, supervisor, name))
    {
        var parent = ((LocalActorRef)Supervisor(system, supervisor)).Cell;
        parent.InitChild(this);
        Start();
    }

    public TActor UnderlyingActor => (TActor)(Cell.Actor
        ?? throw new IllegalActorStateException($"{this} has no instance: it failed to start or has stopped"));

    /// <summary>Handles a message at once; what the actor throws reaches the test.</summary>
    public void Receive(object message, IActorRef sender = null) =>
        Cell.ReceiveMessageForTest(new Envelope(message, sender ?? Cell.System.DeadLetters));

    public void Watch(IActorRef subject) => Cell.UseThreadContext(() => Cell.Watch(subject));

    public void Unwatch(IActorRef subject) => Cell.UseThreadContext(() => Cell.Unwatch(subject));

    public static implicit operator TActor(TestActorRef<TActor> reference) => reference.UnderlyingActor;

    private static IInternalActorRef Supervisor(ActorSystem system, IActorRef supervisor) =>
        (IInternalActorRef)supervisor ?? ((ExtendedActorSystem)system).Guardian;

    private static ActorPath Reserve(ActorSystem system, IActorRef supervisor, string name)
    {
        var impl = (ActorSystemImpl)system;
        var parent = ((LocalActorRef)Supervisor(system, supervisor)).Cell;
        var uid = impl.NextUid();
        return new ChildActorPath(parent.Self.Path, parent.ReserveChildName(name ?? "$$" + uid), uid);
    }
}
