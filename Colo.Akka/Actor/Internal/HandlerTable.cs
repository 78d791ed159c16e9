namespace Akka.Actor.Internal;

/// <summary>The handlers of one behaviour in the order in which they were declared.</summary>
internal sealed class HandlerTable
{
    private readonly List<MessageHandler> _handlers = [];
    private bool _closed;

    /// <exception cref="InvalidOperationException">A handler that takes everything stands before this one.</exception>
    public void Add(MessageHandler handler)
    {
        if (_closed)
        {
            throw new InvalidOperationException(
                "A handler that catches all messages has been added. No handler can be added after that.");
        }

        _handlers.Add(handler);
        _closed = handler.TakesEverything;
    }

    public Receive Build()
    {
        if (_handlers.Count == 1)
        {
            return _handlers[0].TryHandle;
        }

        var handlers = _handlers.ToArray();
        return message =>
        {
            foreach (var handler in handlers)
            {
                if (handler.TryHandle(message))
                {
                    return true;
                }
            }

            return false;
        };
    }
}

/// <summary>One declared handler.</summary>
internal abstract class MessageHandler
{
    public abstract bool TakesEverything { get; }

    public abstract bool TryHandle(object message);
}

internal sealed class ActionHandler<T>(Action<T> handler, Predicate<T> shouldHandle) : MessageHandler
{
    private readonly Action<T> _handler = handler ?? throw new ArgumentNullException(nameof(handler));

    public override bool TakesEverything => typeof(T) == typeof(object) && shouldHandle is null;

    public override bool TryHandle(object message)
    {
        if (message is not T typed || (shouldHandle is not null && !shouldHandle(typed)))
        {
            return false;
        }

        _handler(typed);
        return true;
    }
}

internal sealed class FuncHandler<T>(Func<T, bool> handler) : MessageHandler
{
    private readonly Func<T, bool> _handler = handler ?? throw new ArgumentNullException(nameof(handler));

    public override bool TakesEverything => false;

    public override bool TryHandle(object message) => message is T typed && _handler(typed);
}

internal sealed class TypeActionHandler(Type type, Action<object> handler, Predicate<object> shouldHandle) : MessageHandler
{
    public override bool TakesEverything => type == typeof(object) && shouldHandle is null;

    public override bool TryHandle(object message)
    {
        if (!type.IsInstanceOfType(message) || (shouldHandle is not null && !shouldHandle(message)))
        {
            return false;
        }

        handler(message);
        return true;
    }
}

internal sealed class TypeFuncHandler(Type type, Func<object, bool> handler) : MessageHandler
{
    public override bool TakesEverything => false;

    public override bool TryHandle(object message) => type.IsInstanceOfType(message) && handler(message);
}
