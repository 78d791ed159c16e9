using Akka.Actor;
using Akka.Dispatch.SysMsg;

namespace Akka.Remote;

/// <summary>Holds the end of the system, after all user actors have stopped, until remoting has sent what it has and
/// closed its links.</summary>
internal sealed class RemotingTerminator(RemoteActorRefProvider provider) : UntypedActor
{
    protected override void PreStart() =>
        provider.SystemGuardian.Tell(RegisterTerminationHook.Instance, Self);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case TerminationHook:
                var self = Self;
                provider.Remoting.ShutdownAsync().ContinueWith(
                    _ => self.Tell(TerminationHookDone.Instance), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                break;
            case TerminationHookDone:
                provider.SystemGuardian.Tell(TerminationHookDone.Instance, Self);
                Context.Stop(Self);
                break;
            default:
                Unhandled(message);
                break;
        }
    }
}
