using Akka.Actor.Internal;
using Akka.Dispatch.SysMsg;

namespace Akka.Actor;

/// <summary>Stopping an actor and waiting for its end.</summary>
public static class GracefulStopSupport
{
    public static Task<bool> GracefulStop(this IActorRef target, TimeSpan timeout) =>
        target.GracefulStop(timeout, PoisonPill.Instance);

    /// <summary>True when the actor has stopped.</summary>
    /// <exception cref="TaskCanceledException">It has not stopped in time.</exception>
    public static async Task<bool> GracefulStop(this IActorRef target, TimeSpan timeout, object stopMessage)
    {
        var watched = (IInternalActorRef)target;
        var system = watched.Provider.SystemOf();
        var watcher = new FutureActorRef<Terminated>(
            new TaskCompletionSource<Terminated>(system.CompletionOptions), null, watched.Provider);
        if (timeout != Timeout.InfiniteTimeSpan)
        {
            watcher.Timer = system.AskTimers.Start(
                timeout, new Dispatch.ActionRunnable(() => watcher.Cancel(CancellationToken.None)));
        }

        watched.SendSystemMessage(new Watch(watched, watcher));
        target.Tell(stopMessage, ActorRefs.NoSender);
        try
        {
            var terminated = await watcher.Task.ConfigureAwait(false);
            return terminated.ActorRef.Path.Equals(target.Path);
        }
        finally
        {
            watched.SendSystemMessage(new Unwatch(watched, watcher));
        }
    }
}

/// <summary>Waiting for the end of an actor without being one.</summary>
public static class WatchAsyncSupport
{
    /// <summary>True when the actor has stopped, false when the token was cancelled before.</summary>
    public static async Task<bool> WatchAsync(this IActorRef target, CancellationToken token = default)
    {
        var watched = (IInternalActorRef)target;
        var system = watched.Provider.SystemOf();
        var watcher = new FutureActorRef<Terminated>(
            new TaskCompletionSource<Terminated>(system.CompletionOptions), null, watched.Provider);
        watched.SendSystemMessage(new Watch(watched, watcher));
        using var registration = token.UnsafeRegister(
            static (state, t) => ((FutureActorRef<Terminated>)state).Cancel(t), watcher);
        try
        {
            var terminated = await watcher.Task.ConfigureAwait(false);
            return terminated.ActorRef.Path.Equals(target.Path);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        finally
        {
            watched.SendSystemMessage(new Unwatch(watched, watcher));
        }
    }
}
