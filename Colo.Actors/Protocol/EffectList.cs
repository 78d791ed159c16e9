using System.Collections;

namespace Colo.Actors.Protocol;

/// <summary>Collects the effects of one or more decisions, in the order in which they must be carried out. Reusable by
/// <see cref="Clear"/>.</summary>
public sealed class EffectList : IReadOnlyList<Effect>
{
    private readonly List<Effect> _items = [];

    public int Count => _items.Count;

    public Effect this[int index] => _items[index];

    public void Add(Effect effect) => _items.Add(effect);

    public void Insert(int index, Effect effect) => _items.Insert(index, effect);

    public void Clear() => _items.Clear();

    public IEnumerator<Effect> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
