using Akka.Actor;
using Akka.Event;

namespace Akka.Dispatch.SysMsg;

/// <summary>Drives the life of an actor. Runs ahead of user messages, also while the mailbox is suspended.</summary>
public interface ISystemMessage : INoSerializationVerificationNeeded;

public abstract class SystemMessage : ISystemMessage;

/// <summary>First message of every cell: make the actor, or report why it cannot be made.</summary>
public sealed class Create : SystemMessage
{
    public Create(ActorInitializationException failure = null) => Failure = failure;

    public ActorInitializationException Failure { get; }

    public override string ToString() => "<Create>";
}

public sealed class Recreate : SystemMessage
{
    public Recreate(Exception cause) => Cause = cause;

    public Exception Cause { get; }

    public override string ToString() => $"<Recreate>: {Cause?.Message}";
}

public sealed class Suspend : SystemMessage
{
    public override string ToString() => "<Suspend>";
}

public sealed class Resume : SystemMessage
{
    public Resume(Exception causedByFailure) => CausedByFailure = causedByFailure;

    /// <summary>Null when the parent itself was resumed.</summary>
    public Exception CausedByFailure { get; set; }

    public override string ToString() => $"<Resume>: {CausedByFailure?.Message}";
}

public sealed class Terminate : SystemMessage, IPossiblyHarmful, IDeadLetterSuppression
{
    public override string ToString() => "<Terminate>";
}

public sealed class Supervise : SystemMessage
{
    public Supervise(IActorRef child, bool async)
    {
        Child = child;
        Async = async;
    }

    public IActorRef Child { get; }

    public bool Async { get; }

    public override string ToString() => $"<Supervise>: {Child}";
}

/// <summary>From a child to its parent: I have failed and hold my messages back until you decide.</summary>
public sealed class Failed : SystemMessage
{
    public Failed(IActorRef child, Exception cause, long uid)
    {
        Child = child;
        Cause = cause;
        Uid = uid;
    }

    public IActorRef Child { get; }

    public Exception Cause { get; }

    public long Uid { get; }

    public override string ToString() => $"<Failed>: {Child} ({Uid}) {Cause?.Message}";
}

public class Watch : SystemMessage
{
    public Watch(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        Watchee = watchee;
        Watcher = watcher;
    }

    public IInternalActorRef Watchee { get; }

    public IInternalActorRef Watcher { get; }

    public override bool Equals(object obj) =>
        obj is Watch other && Equals(Watchee, other.Watchee) && Equals(Watcher, other.Watcher);

    public override int GetHashCode() => HashCode.Combine(Watchee, Watcher);

    public override string ToString() => $"<Watch>: {Watcher} wants to watch {Watchee}";
}

public sealed class Unwatch : SystemMessage
{
    public Unwatch(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        Watchee = watchee;
        Watcher = watcher;
    }

    public IInternalActorRef Watchee { get; }

    public IInternalActorRef Watcher { get; }

    public override bool Equals(object obj) =>
        obj is Unwatch other && Equals(Watchee, other.Watchee) && Equals(Watcher, other.Watcher);

    public override int GetHashCode() => HashCode.Combine(Watchee, Watcher);

    public override string ToString() => $"<Unwatch>: {Watcher} wants to unwatch {Watchee}";
}

public sealed class DeathWatchNotification : SystemMessage, IDeadLetterSuppression
{
    public DeathWatchNotification(IActorRef actor, bool existenceConfirmed, bool addressTerminated)
    {
        Actor = actor;
        ExistenceConfirmed = existenceConfirmed;
        AddressTerminated = addressTerminated;
    }

    public IActorRef Actor { get; }

    public bool ExistenceConfirmed { get; }

    public bool AddressTerminated { get; }

    public override string ToString() => $"<DeathWatchNotification>: {Actor}";
}

/// <summary>The rest of an async handler: a task to run in the actor's context.</summary>
internal sealed class ActorTask : SystemMessage, IDeadLetterSuppression
{
    public ActorTask(ActorTaskScheduler scheduler, Task task)
    {
        Scheduler = scheduler;
        Task = task;
    }

    public ActorTaskScheduler Scheduler { get; }

    public Task Task { get; }
}

/// <summary>The end of an async handler: its failure, or null.</summary>
internal sealed class ActorTaskDone : SystemMessage, IDeadLetterSuppression
{
    public ActorTaskDone(ActorTaskScheduler scheduler, Exception failure)
    {
        Scheduler = scheduler;
        Failure = failure;
    }

    public ActorTaskScheduler Scheduler { get; }

    public Exception Failure { get; }
}
