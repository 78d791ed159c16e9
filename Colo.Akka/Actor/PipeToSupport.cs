namespace Akka.Actor;

/// <summary>Sends the result of a task as a message; a failure as <see cref="Status.Failure"/> unless mapped.</summary>
public static class PipeToSupport
{
    public static Task PipeTo<T>(
        this Task<T> taskToPipe, ICanTell recipient, IActorRef sender = null, Func<T, object> success = null,
        Func<Exception, object> failure = null) =>
        taskToPipe.PipeTo(recipient, false, sender, success, failure);

    public static async Task PipeTo<T>(
        this Task<T> taskToPipe, ICanTell recipient, bool useConfigureAwait, IActorRef sender = null,
        Func<T, object> success = null, Func<Exception, object> failure = null)
    {
        sender ??= ActorRefs.NoSender;
        try
        {
            var result = await taskToPipe.ConfigureAwait(useConfigureAwait);
            recipient.Tell(success is null ? result : success(result), sender);
        }
        catch (Exception e)
        {
            // Also when the mapping throws: the recipient waits for one answer or the other.
            recipient.Tell(Failed(e, failure), sender);
        }
    }

    public static Task PipeTo<T>(
        this ValueTask<T> taskToPipe, ICanTell recipient, IActorRef sender = null, Func<T, object> success = null,
        Func<Exception, object> failure = null) =>
        taskToPipe.AsTask().PipeTo(recipient, false, sender, success, failure);

    public static Task PipeTo<T>(
        this ValueTask<T> taskToPipe, ICanTell recipient, bool useConfigureAwait, IActorRef sender = null,
        Func<T, object> success = null, Func<Exception, object> failure = null) =>
        taskToPipe.AsTask().PipeTo(recipient, useConfigureAwait, sender, success, failure);

    public static Task PipeTo(
        this Task taskToPipe, ICanTell recipient, IActorRef sender = null, Func<object> success = null,
        Func<Exception, object> failure = null) =>
        taskToPipe.PipeTo(recipient, false, sender, success, failure);

    /// <summary>Without <paramref name="success"/> a success sends nothing.</summary>
    public static async Task PipeTo(
        this Task taskToPipe, ICanTell recipient, bool useConfigureAwait, IActorRef sender = null,
        Func<object> success = null, Func<Exception, object> failure = null)
    {
        sender ??= ActorRefs.NoSender;
        try
        {
            await taskToPipe.ConfigureAwait(useConfigureAwait);
            if (success is not null)
            {
                recipient.Tell(success(), sender);
            }
        }
        catch (Exception e)
        {
            recipient.Tell(Failed(e, failure), sender);
        }
    }

    public static Task PipeTo(
        this ValueTask taskToPipe, ICanTell recipient, IActorRef sender = null, Func<object> success = null,
        Func<Exception, object> failure = null) =>
        taskToPipe.AsTask().PipeTo(recipient, false, sender, success, failure);

    public static Task PipeTo(
        this ValueTask taskToPipe, ICanTell recipient, bool useConfigureAwait, IActorRef sender = null,
        Func<object> success = null, Func<Exception, object> failure = null) =>
        taskToPipe.AsTask().PipeTo(recipient, useConfigureAwait, sender, success, failure);

    private static object Failed(Exception cause, Func<Exception, object> map) =>
        map is null ? new Status.Failure(cause) : map(cause);
}
