using System.Collections.Concurrent;

namespace Akka.Actor.Internal;

/// <summary>
/// The extensions of one system. Each is made once, also when many threads ask for it at the same time.
/// </summary>
internal sealed class ExtensionRegistry(ActorSystemImpl system)
{
    private readonly ConcurrentDictionary<Type, Lazy<object>> _extensions = new();

    public object Register(IExtensionId id)
    {
        ArgumentNullException.ThrowIfNull(id);
        var made = _extensions.GetOrAdd(id.ExtensionType, _ => new Lazy<object>(() => id.CreateExtension(system)));
        try
        {
            return made.Value;
        }
        catch
        {
            // The next one may have better luck.
            _extensions.TryRemove(new KeyValuePair<Type, Lazy<object>>(id.ExtensionType, made));
            throw;
        }
    }

    public object Get(Type type) => _extensions.TryGetValue(type, out var made) ? made.Value : null;

    public bool Has(Type type) => _extensions.ContainsKey(type);
}
