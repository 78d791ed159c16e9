using Akka.Actor.Internal;
using Akka.Dispatch.SysMsg;

namespace Akka.Actor;

/// <summary>
/// Stands for the sender of an Ask: the first message to it is the answer. It has a path, and a place below
/// <c>/temp</c>, only once somebody asks for the path, as a message to another node does.
/// </summary>
public class FutureActorRef<T> : MinimalActorRef
{
    private readonly TaskCompletionSource<T> _result;
    private readonly IActorRefProvider _provider;
    private ActorPath _path;
    private bool _registered;
    private int _decided;

    public FutureActorRef(TaskCompletionSource<T> result, ActorPath path, IActorRefProvider provider)
    {
        _result = result;
        _path = path;
        _provider = provider;
    }

    public override IActorRefProvider Provider => _provider;

    public override IInternalActorRef Parent => _provider.TempContainer;

    public override ActorPath Path
    {
        get
        {
            if (_path is null)
            {
                Register();
            }

            return _path;
        }
    }

    internal Task<T> Task => _result.Task;

    internal ICancelable Timer { get; set; }

    internal CancellationTokenRegistration Cancellation { get; set; }

    public override void SendSystemMessage(ISystemMessage message)
    {
        if (message is DeathWatchNotification death)
        {
            Tell(new Terminated(death.Actor, death.ExistenceConfirmed, death.AddressTerminated), this);
        }
    }

    public override void Stop()
    {
        Fail(new AskTimeoutException($"{this} was stopped"));
    }

    internal void Fail(Exception cause)
    {
        if (IsFirst())
        {
            Complete(() => _result.TrySetException(cause));
        }
    }

    internal void Cancel(CancellationToken token)
    {
        if (IsFirst())
        {
            Complete(() => _result.TrySetCanceled(token));
        }
    }

    protected override void TellInternal(object message, IActorRef sender)
    {
        if (!IsFirst())
        {
            return;
        }

        if (_provider.SystemOf().Hooks is null)
        {
            Answer(message);
        }
        else
        {
            CompleteBy(message);
        }
    }

    /// <summary>
    /// The first one decides. Timer and place are given back before the task completes, so that who has the answer
    /// finds nothing left of the question.
    /// </summary>
    private bool IsFirst()
    {
        if (Interlocked.Exchange(ref _decided, 1) != 0)
        {
            return false;
        }

        Release();
        return true;
    }

    /// <summary>In a simulation a step of its own, see <see cref="ActorSystemImpl.Complete"/>.</summary>
    private void Complete(Action completion) => _provider.SystemOf().Complete(completion);

    // Not where the answer comes in, which would allocate for the closure with each.
    private void CompleteBy(object message) => Complete(() => Answer(message));

    // Untyped, everything is an answer. Typed, a failure is thrown, and what does not fit is an error of the caller.
    private bool Answer(object message) =>
        message switch
        {
            T answer => _result.TrySetResult(answer),
            null => _result.TrySetResult(default),
            Status.Failure failure => _result.TrySetException(
                failure.Cause ?? new TaskCanceledException("Task cancelled by actor via Failure message.")),
            _ => _result.TrySetException(new ArgumentException(
                $"Received message of type [{message.GetType()}] - Ask expected message of type [{typeof(T)}]")),
        };

    private void Release()
    {
        Timer?.Cancel();
        Cancellation.Dispose();
        lock (_result)
        {
            if (_registered)
            {
                _provider.UnregisterTempActor(_path);
                _registered = false;
            }
        }
    }

    private void Register()
    {
        lock (_result)
        {
            if (_path is null)
            {
                var path = _provider.TempPath();
                if (Volatile.Read(ref _decided) == 0)
                {
                    _provider.RegisterTempActor(this, path);
                    _registered = true;
                }

                _path = path;
            }
        }
    }
}
