namespace Colo.Actors.Protocol;

/// <summary>
/// The one place where a core says what it does with each message in each state: a handler, or "ignored" with a reason.
/// A pair that is neither is a hole in the protocol and throws; a reflection test walks all pairs, so a hole does not
/// reach a running system (style G15).
/// </summary>
public sealed class TransitionTable<TState>
    where TState : struct, Enum
{
    private readonly Dictionary<(TState State, Type Message), Row> _rows = [];
    private readonly Type _inputs;

    /// <param name="inputs">Marker interface of the messages that this core takes.</param>
    public TransitionTable(Type inputs) => _inputs = inputs;

    public delegate void Handler<in TMessage>(Instant now, TMessage message, EffectList effects);

    private readonly record struct Row(Handler<Message>? Handle, string? IgnoredBecause);

    /// <summary>All message types of this core, in a stable order.</summary>
    public IReadOnlyList<Type> MessageTypes =>
    [
        .. _inputs.Assembly.GetTypes()
            .Where(type => _inputs.IsAssignableFrom(type) && type is { IsAbstract: false, IsInterface: false })
            .OrderBy(type => type.FullName, StringComparer.Ordinal),
    ];

    public TransitionTable<TState> On<TMessage>(Handler<TMessage> handler, params ReadOnlySpan<TState> states)
        where TMessage : Message
    {
        foreach (TState state in states)
        {
            _rows.Add((state, typeof(TMessage)), new Row((now, message, effects) => handler(now, (TMessage)message, effects), null));
        }

        return this;
    }

    public TransitionTable<TState> Ignore<TMessage>(string because, params ReadOnlySpan<TState> states)
        where TMessage : Message
    {
        foreach (TState state in states)
        {
            _rows.Add((state, typeof(TMessage)), new Row(null, because));
        }

        return this;
    }

    /// <summary>Ignores the message in every state that has no row for it yet.</summary>
    public TransitionTable<TState> IgnoreElsewhere<TMessage>(string because)
        where TMessage : Message
    {
        foreach (TState state in Enum.GetValues<TState>())
        {
            _rows.TryAdd((state, typeof(TMessage)), new Row(null, because));
        }

        return this;
    }

    /// <summary>Null when the pair has no row; else the reason why it is ignored, or "" when it is handled.</summary>
    public string? Describe(TState state, Type message) =>
        _rows.TryGetValue((state, message), out Row row) ? row.IgnoredBecause ?? string.Empty : null;

    /// <summary>Runs the handler. Returns the reason when the message was ignored, else null.</summary>
    public string? Dispatch(TState state, Instant now, Message message, EffectList effects)
    {
        if (!_rows.TryGetValue((state, message.GetType()), out Row row))
        {
            throw new InvariantViolationException("S3", $"no row for {message.GetType().Name} in state {state}");
        }

        row.Handle?.Invoke(now, message, effects);
        return row.IgnoredBecause;
    }
}
