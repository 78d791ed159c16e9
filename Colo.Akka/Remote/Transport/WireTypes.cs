using System.Collections.Concurrent;
using System.Runtime.Serialization;
using Akka.Util;

namespace Akka.Remote.Transport;

/// <summary>
/// Type names from peers, for serializers that have no names of their own. A name finds a type only when that type has
/// a binding, or is of the same assembly as a bound type and one of its kind. So a peer cannot have just any type made.
/// </summary>
internal sealed class WireTypes(Func<IEnumerable<Type>> boundTypes)
{
    // Names that were refused are not kept: a peer could fill the memory with them.
    private readonly ConcurrentDictionary<string, Type> _known = new(StringComparer.Ordinal);

    /// <exception cref="SerializationException">The name stands for no type that may cross nodes.</exception>
    internal Type Find(string name)
    {
        if (_known.TryGetValue(name, out var known))
        {
            return known;
        }

        var typeName = name.Split(',')[0].Trim();
        foreach (var bound in boundTypes())
        {
            if (bound.Assembly.GetType(typeName) is { } type && bound.IsAssignableFrom(type) && TypeNames.NameOf(type) == name)
            {
                return _known.GetOrAdd(name, type);
            }
        }

        throw new SerializationException($"'{name}' is not bound to a serializer here, so it is not made for a peer.");
    }

    internal bool IsAllowed(Type type) =>
        boundTypes().Any(bound => bound.Assembly == type.Assembly && bound.IsAssignableFrom(type));
}
