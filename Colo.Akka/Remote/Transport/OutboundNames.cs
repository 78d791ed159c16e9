namespace Akka.Remote.Transport;

/// <summary>
/// Gives short ids to the names (paths, manifests) that one link carries often. When the table is full it starts over:
/// the receiver takes the latest definition, and frames arrive in order.
/// </summary>
internal sealed class OutboundNames<T>(IEqualityComparer<T> comparer)
{
    internal const int Capacity = 1024;

    private readonly Dictionary<T, uint> _ids = new(comparer);
    private T _last;
    private uint _lastId;

    /// <summary>The id of a name, with the text when the receiver does not know it yet.</summary>
    internal WireName Encode(T name, Func<T, string> text)
    {
        // Runs of messages between the same two actors are the common case.
        if (_lastId != 0 && comparer.Equals(name, _last))
        {
            return new WireName(_lastId, null);
        }

        if (_ids.TryGetValue(name, out var id))
        {
            (_last, _lastId) = (name, id);
            return new WireName(id, null);
        }

        if (_ids.Count == Capacity)
        {
            _ids.Clear();
        }

        id = (uint)_ids.Count + 1;
        _ids.Add(name, id);
        (_last, _lastId) = (name, id);
        return new WireName(id, text(name));
    }
}

/// <summary>The receiver's side of <see cref="OutboundNames{T}"/>: what each id stands for.</summary>
internal sealed class InboundNames<T>
    where T : class
{
    private readonly T[] _values = new T[OutboundNames<string>.Capacity + 1];

    internal void Define(uint id, T value) => _values[Checked(id)] = value;

    /// <exception cref="WireFormatException">The id was never defined.</exception>
    internal T Find(uint id) =>
        _values[Checked(id)] ?? throw new WireFormatException($"the id {id}, which no frame has defined");

    private static uint Checked(uint id) => id <= OutboundNames<string>.Capacity
        ? id
        : throw new WireFormatException($"the id {id}; expected at most {OutboundNames<string>.Capacity}");
}
