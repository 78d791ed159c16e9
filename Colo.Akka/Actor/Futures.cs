using Akka.Actor.Internal;

namespace Akka.Actor;

/// <summary>Asking: a message whose answer completes a task.</summary>
public static class Futures
{
    public static Task<object> Ask(this ICanTell self, object message, TimeSpan? timeout = null) =>
        self.Ask<object>(message, timeout, CancellationToken.None);

    public static Task<object> Ask(this ICanTell self, object message, CancellationToken cancellationToken) =>
        self.Ask<object>(message, null, cancellationToken);

    public static Task<object> Ask(
        this ICanTell self, object message, TimeSpan? timeout, CancellationToken cancellationToken) =>
        self.Ask<object>(message, timeout, cancellationToken);

    public static Task<T> Ask<T>(this ICanTell self, object message, TimeSpan? timeout = null) =>
        self.Ask<T>(message, timeout, CancellationToken.None);

    public static Task<T> Ask<T>(this ICanTell self, object message, CancellationToken cancellationToken) =>
        self.Ask<T>(message, null, cancellationToken);

    /// <summary>
    /// A null timeout is <c>akka.actor.ask-timeout</c>. The task fails with <see cref="AskTimeoutException"/> when no
    /// answer comes, with the cause of a <see cref="Status.Failure"/>, and with ArgumentException on an answer that is
    /// no T.
    /// </summary>
    public static Task<T> Ask<T>(
        this ICanTell self, object message, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        try
        {
            var reference = Begin<T>(self, timeout, cancellationToken);
            self.Tell(message, reference);
            return reference.Task;
        }
        catch (Exception e)
        {
            return Task.FromException<T>(e);
        }
    }

    /// <summary>For messages that carry the reference to answer to.</summary>
    public static Task<T> Ask<T>(
        this ICanTell self, Func<IActorRef, object> messageFactory, TimeSpan? timeout,
        CancellationToken cancellationToken)
    {
        try
        {
            var reference = Begin<T>(self, timeout, cancellationToken);
            self.Tell(messageFactory(reference), reference);
            return reference.Task;
        }
        catch (Exception e)
        {
            return Task.FromException<T>(e);
        }
    }

    private static FutureActorRef<T> Begin<T>(ICanTell target, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var provider = ResolveProvider(target)
            ?? throw new ArgumentException("Unable to resolve the target Provider", nameof(target));
        var system = provider.SystemOf();
        var reference = new FutureActorRef<T>(new TaskCompletionSource<T>(system.CompletionOptions), null, provider);
        var limit = timeout ?? system.Settings.AskTimeout;
        if (limit != Timeout.InfiniteTimeSpan && limit > TimeSpan.Zero)
        {
            reference.Timer = system.AskTimers.Start(limit, new AskTimer<T>(reference, limit));
        }

        if (cancellationToken.CanBeCanceled)
        {
            reference.Cancellation = cancellationToken.UnsafeRegister(
                static (state, token) => ((FutureActorRef<T>)state).Cancel(token), reference);
        }

        return reference;
    }

    private static IActorRefProvider ResolveProvider(ICanTell target)
    {
        if (ActorCell.Current is { IsTerminated: false } cell)
        {
            return cell.SystemImpl.Provider;
        }

        return target switch
        {
            IInternalActorRef reference => reference.Provider,
            ActorSelection selection => ResolveProvider(selection.Anchor),
            _ => null,
        };
    }

    private sealed class AskTimer<T>(FutureActorRef<T> reference, TimeSpan limit) : Dispatch.IRunnable
    {
        public void Run() => reference.Fail(new AskTimeoutException($"Timeout after {limit} seconds"));

        public void Execute() => Run();
    }
}
