using Akka.Actor.Internal;
using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>Above the root: notices the end of the root guardian, which is the end of the system.</summary>
internal sealed class RootGuardianSupervisor(ActorPath path, IActorRefProvider provider, ILoggingAdapter log)
    : MinimalActorRef
{
    private readonly TaskCompletionSource _terminated = new(provider.SystemOf().CompletionOptions);

    public Task Terminated => _terminated.Task;

    public override ActorPath Path => path;

    public override IActorRefProvider Provider => provider;

    public override void Stop() => _terminated.TrySetResult();

    public override void SendSystemMessage(ISystemMessage message)
    {
        switch (message)
        {
            case Failed failed:
                log.Error(failed.Cause, "guardian {0} failed, shutting down!", failed.Child);
                ((IInternalActorRef)failed.Child).Stop();
                break;
            case DeathWatchNotification:
                Stop();
                break;
            default:
                break;
        }
    }
}
