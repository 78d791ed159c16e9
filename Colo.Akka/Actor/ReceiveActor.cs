using Akka.Actor.Internal;
using Akka.Dispatch;

namespace Akka.Actor;

/// <summary>
/// An actor whose handlers are declared by message type in the constructor or in a Become. The first handler that takes
/// the message wins; what none takes is unhandled.
/// </summary>
public abstract class ReceiveActor : UntypedActor, IInitializableActor
{
    private HandlerTable _declaring = new();
    private Receive _initial;

    protected sealed override bool Receive(object message) => _initial(message);

    void IInitializableActor.Init()
    {
        _initial = _declaring.Build();
        _declaring = null;
    }

    protected override void OnReceive(object message)
    {
    }

    /// <summary>Replaces the current behaviour with the handlers declared by <paramref name="configure"/>.</summary>
    protected void Become(Action configure) => Become(Declare(configure));

    protected void BecomeStacked(Action configure) => BecomeStacked(Declare(configure));

    protected void Receive<T>(Action<T> handler, Predicate<T> shouldHandle = null) =>
        Declaring().Add(new ActionHandler<T>(handler, shouldHandle));

    protected void Receive<T>(Predicate<T> shouldHandle, Action<T> handler) => Receive(handler, shouldHandle);

    /// <summary>A handler that returns false has not taken the message; the next one is asked.</summary>
    protected void Receive<T>(Func<T, bool> handler) => Declaring().Add(new FuncHandler<T>(handler));

    protected void Receive(Type messageType, Action<object> handler, Predicate<object> shouldHandle = null) =>
        Declaring().Add(new TypeActionHandler(messageType, handler, shouldHandle));

    protected void Receive(Type messageType, Predicate<object> shouldHandle, Action<object> handler) =>
        Receive(messageType, handler, shouldHandle);

    protected void Receive(Type messageType, Func<object, bool> handler) =>
        Declaring().Add(new TypeFuncHandler(messageType, handler));

    /// <summary>Takes everything; no handler may be declared after it.</summary>
    protected void ReceiveAny(Action<object> handler) => Declaring().Add(new ActionHandler<object>(handler, null));

    protected void ReceiveAsync<T>(Func<T, Task> handler, Predicate<T> shouldHandle = null) =>
        Receive(Async(handler), shouldHandle);

    protected void ReceiveAsync<T>(Predicate<T> shouldHandle, Func<T, Task> handler) =>
        Receive(Async(handler), shouldHandle);

    protected void ReceiveAsync(Type messageType, Func<object, Task> handler, Predicate<object> shouldHandle = null) =>
        Receive(messageType, Async(handler), shouldHandle);

    protected void ReceiveAsync(Type messageType, Predicate<object> shouldHandle, Func<object, Task> handler) =>
        Receive(messageType, Async(handler), shouldHandle);

    protected void ReceiveAnyAsync(Func<object, Task> handler) => ReceiveAny(Async(handler));

    private static Action<T> Async<T>(Func<T, Task> handler) =>
        message => ActorTaskScheduler.RunTask(() => handler(message));

    private Receive Declare(Action configure)
    {
        var outer = _declaring;
        _declaring = new HandlerTable();
        try
        {
            configure();
            return _declaring.Build();
        }
        finally
        {
            _declaring = outer;
        }
    }

    private HandlerTable Declaring() =>
        _declaring ?? throw new InvalidOperationException(
            "You may only call Receive-methods when constructing the actor and inside Become().");
}
