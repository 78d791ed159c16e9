using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// <c>/</c>. Its children are <c>/user</c> and <c>/system</c>; when the latter has stopped, it stops. A failure of a
/// guardian stops it: the system goes down rather than run without its top.
/// </summary>
internal sealed class RootGuardianActor : ActorBase
{
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(static _ => Directive.Stop);

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case Terminated terminated when terminated.ActorRef.Path.Name == "system":
                Context.Stop(Self);
                return true;
            case Terminated:
                return true;
            case StopChild stop:
                Context.Stop(stop.Child);
                return true;
            default:
                Context.System.DeadLetters.Tell(new DeadLetter(message, Sender, Self), Sender);
                return true;
        }
    }
}

/// <summary><c>/user</c></summary>
internal sealed class UserGuardianActor : ActorBase
{
    protected override bool Receive(object message)
    {
        if (message is StopChild stop)
        {
            Context.Stop(stop.Child);
        }
        else
        {
            Context.System.DeadLetters.Tell(new DeadLetter(message, Sender, Self), Sender);
        }

        return true;
    }

    // The guardian is never restarted by its own choice; its children live on if it is.
    protected override void PreRestart(Exception reason, object message)
    {
    }
}

/// <summary>
/// <c>/system</c>: outlives <c>/user</c>, and ends when all that asked for it have finished their work.
/// </summary>
internal sealed class SystemGuardianActor : ActorBase
{
    private readonly IActorRef _userGuardian;
    private readonly HashSet<IActorRef> _hooks = [];
    private bool _terminating;

    public SystemGuardianActor(IActorRef userGuardian) => _userGuardian = userGuardian;

    protected override void PreStart() => Context.Watch(_userGuardian);

    protected override void PreRestart(Exception reason, object message)
    {
    }

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case Terminated terminated when terminated.ActorRef.Equals(_userGuardian):
                _terminating = true;
                foreach (var hook in _hooks)
                {
                    hook.Tell(TerminationHook.Instance);
                }

                StopWhenDone();
                break;
            case Terminated terminated:
                Done(terminated.ActorRef);
                break;
            case TerminationHookDone:
                Context.Unwatch(Sender);
                Done(Sender);
                break;
            case RegisterTerminationHook when Sender != Context.System.DeadLetters && !_terminating:
                _hooks.Add(Sender);
                Context.Watch(Sender);
                break;
            case StopChild stop:
                Context.Stop(stop.Child);
                break;
            default:
                Context.System.DeadLetters.Tell(new DeadLetter(message, Sender, Self), Sender);
                break;
        }

        return true;
    }

    private void Done(IActorRef hook)
    {
        _hooks.Remove(hook);
        StopWhenDone();
    }

    private void StopWhenDone()
    {
        if (_terminating && _hooks.Count == 0)
        {
            ((Internal.ActorSystemImpl)Context.System).StopLoggers();
            Context.Stop(Self);
        }
    }
}
