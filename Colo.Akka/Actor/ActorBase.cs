using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// An actor: state that one message at a time may touch. Hooks run in this order. Start: constructor, PreStart.
/// Restart: PreRestart on the old instance (by default: stop the children, PostStop), constructor, PostRestart on the
/// new one (by default: PreStart). Stop: PostStop, when all children are gone.
/// </summary>
public abstract class ActorBase : IInternalActor
{
    private ActorCell _cell;
    private IActorRef _clearedSelf;

    protected ActorBase()
    {
        var cell = ActorCell.Current
            ?? throw new ActorInitializationException("Do not use 'new' to create actors, use ActorOf(Props) instead.");
        cell.ClaimInstance(this);
        _cell = cell;
    }

    protected static Receive EmptyReceive { get; } = static _ => false;

    /// <exception cref="NotSupportedException">No actor is running on this thread.</exception>
    protected static IActorContext Context => ActorCell.Current ?? throw NoContext();

    IActorContext IInternalActor.ActorContext => Context;

    protected IActorRef Self => _clearedSelf ?? Context.Self;

    protected IActorRef Sender => Context.Sender;

    internal Receive InitialReceive => Receive;

    /// <summary>What a crossing into the actor's code looks like; a derived class may wrap it.</summary>
    protected internal virtual bool AroundReceive(Receive receive, object message)
    {
        var handled = receive(message);
        if (!handled)
        {
            Unhandled(message);
        }

        return handled;
    }

    protected abstract bool Receive(object message);

    /// <summary>
    /// Called for a message no handler took. By default an unhandled <see cref="Terminated"/> throws
    /// <see cref="DeathPactException"/>; everything else goes to the event stream as <see cref="UnhandledMessage"/>.
    /// </summary>
    protected virtual void Unhandled(object message)
    {
        if (message is Terminated terminated)
        {
            throw new DeathPactException(terminated.ActorRef);
        }

        Context.System.EventStream.Publish(new UnhandledMessage(message, Sender, Self));
    }

    protected void Become(Receive receive) => Context.Become(receive);

    protected void BecomeStacked(Receive receive) => Context.BecomeStacked(receive);

    protected void UnbecomeStacked() => Context.UnbecomeStacked();

    protected void SetReceiveTimeout(TimeSpan? timeout) => Context.SetReceiveTimeout(timeout);

    protected virtual void PreStart()
    {
    }

    protected virtual void PostStop()
    {
    }

    protected virtual void PreRestart(Exception reason, object message)
    {
        foreach (var child in Context.GetChildren().ToArray())
        {
            Context.Unwatch(child);
            Context.Stop(child);
        }

        PostStop();
    }

    protected virtual void PostRestart(Exception reason) => PreStart();

    protected virtual SupervisorStrategy SupervisorStrategy() => Actor.SupervisorStrategy.DefaultStrategy;

    public virtual void AroundPreStart() => PreStart();

    public virtual void AroundPreRestart(Exception cause, object message)
    {
        (this as IWithTimers)?.Timers?.CancelAll();
        PreRestart(cause, message);
    }

    public virtual void AroundPostRestart(Exception cause, object message) => PostRestart(cause);

    public virtual void AroundPostStop()
    {
        (this as IWithTimers)?.Timers?.CancelAll();
        PostStop();
    }

    internal SupervisorStrategy CreateSupervisorStrategy() => SupervisorStrategy();

    internal void SetCell(ActorCell cell) => _cell = cell;

    /// <summary>Lets go of the cell, so that a stopped instance that somebody holds keeps nothing else alive.</summary>
    internal void Clear(IActorRef self)
    {
        _cell = null;
        _clearedSelf = self;
    }

    internal bool BelongsTo(ActorCell cell) => ReferenceEquals(_cell, cell);

    internal static NotSupportedException NoContext() => new(
        "There is no active ActorContext, this is most likely due to use of async operations from within this actor.");
}
