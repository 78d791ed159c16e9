using System.Collections.Concurrent;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Event;
using Akka.Util;

namespace Akka.Serialization;

/// <summary>The serializers of a system and which types they are for. The closest type wins.</summary>
public class Serialization
{
    [ThreadStatic]
    private static Information t_transport;

    private readonly NullSerializer _null;
    private readonly ConcurrentDictionary<Type, Serializer> _byType = new();
    private readonly ConcurrentDictionary<int, Serializer> _byId = new();
    private readonly Dictionary<string, Serializer> _byName = new(StringComparer.Ordinal);
    // In the order in which they were made, so that of two that fit equally well the first one wins on every node.
    private readonly List<KeyValuePair<Type, Serializer>> _bindings = [];

    public Serialization(ExtendedActorSystem system)
    {
        System = system;
        _null = new NullSerializer(system);
        _byId[_null.Identifier] = _null;
        ReadConfig();
        ReadSetup();
    }

    public ActorSystem System { get; }

    internal static Information CurrentTransportInformation
    {
        get => t_transport;
        set => t_transport = value;
    }

    /// <summary>The types that have a binding of their own, without the one for everything.</summary>
    internal IEnumerable<Type> BoundTypes => _bindings.Select(binding => binding.Key).Where(type => type != typeof(object));

    /// <summary>Runs an action that writes messages for other nodes: references get the address of this node.</summary>
    public static T WithTransport<T>(ActorSystem system, Func<T> action) =>
        WithTransport(((ExtendedActorSystem)system).Provider.SerializationInformation, action);

    internal static T WithTransport<T>(ActorSystem system, Address address, Func<T> action) =>
        WithTransport(new Information(address, system), action);

    /// <summary>The text under which a reference travels.</summary>
    public static string SerializedActorPath(IActorRef actorRef)
    {
        if (actorRef is null or Nobody)
        {
            return "";
        }

        var path = actorRef.Path;
        var system = (actorRef as IInternalActorRef)?.Provider.SystemOf();
        var transport = t_transport;
        if (transport is null)
        {
            return system is null
                ? path.ToSerializationFormat()
                : path.ToSerializationFormatWithAddress(system.Provider.DefaultAddress);
        }

        if (system is null || ReferenceEquals(system, transport.System))
        {
            return path.ToSerializationFormatWithAddress(transport.Address);
        }

        var external = system.Provider.GetExternalAddressFor(transport.Address) ?? system.Provider.DefaultAddress;
        return path.ToSerializationFormatWithAddress(external);
    }

    /// <summary>
    /// What goes along with the bytes so that the other side knows what they are; empty when nothing has to.
    /// </summary>
    public static string ManifestFor(Serializer s, object msg) => s switch
    {
        SerializerWithStringManifest named => named.Manifest(msg),
        { IncludeManifest: true } => TypeNames.NameOf(msg.GetType()),
        _ => "",
    };

    public IActorRef DeserializeActorRef(string path) => ((ExtendedActorSystem)System).Provider.ResolveActorRef(path);

    public byte[] Serialize(object o) =>
        WithTransport(System, () => FindSerializerFor(o).ToBinary(o));

    public object Deserialize(byte[] bytes, int serializerId, Type type) =>
        WithTransport(System, () => SerializerById(serializerId).FromBinary(bytes, type));

    /// <exception cref="SerializationException">No such serializer, or it cannot read the bytes.</exception>
    public object Deserialize(byte[] bytes, int serializerId, string manifest)
    {
        var serializer = SerializerById(serializerId);
        return WithTransport(System, () => serializer switch
        {
            SerializerWithStringManifest named => named.FromBinary(bytes, manifest),
            _ when string.IsNullOrEmpty(manifest) => serializer.FromBinary(bytes, null),
            _ => serializer.FromBinary(bytes, TypeNames.Resolve(manifest)
                ?? throw new SerializationException(
                    $"Cannot find manifest class [{manifest}] for serializer with id [{serializerId}].")),
        });
    }

    public Serializer FindSerializerFor(object obj) => obj is null ? _null : FindSerializerForType(obj.GetType());

    public Serializer FindSerializerForType(Type objectType) =>
        _byType.TryGetValue(objectType, out var known) ? known : _byType.GetOrAdd(objectType, Find);

    public void AddSerializer(string name, Serializer serializer)
    {
        _byId[serializer.Identifier] = serializer;
        lock (_byName)
        {
            _byName[name] = serializer;
        }
    }

    public void AddSerializationMap(Type type, Serializer serializer)
    {
        lock (_bindings)
        {
            _bindings.RemoveAll(b => b.Key == type);
            _bindings.Add(new KeyValuePair<Type, Serializer>(type, serializer));
        }

        _byType.Clear();
    }

    internal Serializer SerializerById(int id) =>
        _byId.TryGetValue(id, out var serializer)
            ? serializer
            : throw new SerializationException(
                $"Cannot find serializer with id [{id}]. Is akka.actor.serializers the same on both nodes?");

    private static T WithTransport<T>(Information information, Func<T> action)
    {
        if (t_transport is not null)
        {
            return action();
        }

        t_transport = information;
        try
        {
            return action();
        }
        finally
        {
            t_transport = null;
        }
    }

    private Serializer Find(Type type)
    {
        KeyValuePair<Type, Serializer>? best = null;
        lock (_bindings)
        {
            foreach (var binding in _bindings)
            {
                if (binding.Key.IsAssignableFrom(type)
                    && (best is null || best.Value.Key.IsAssignableFrom(binding.Key)))
                {
                    best = binding;
                }
            }
        }

        return best?.Value ?? throw new SerializationException($"Serializer not found for type {type}");
    }

    private void ReadConfig()
    {
        var config = System.Settings.Config;
        foreach (var (name, value) in config.GetConfig("akka.actor.serializers").AsEnumerable())
        {
            var typeName = value.GetString();
            if (TypeNames.Resolve(typeName) is { } type)
            {
                AddSerializer(name, Make(type, config.GetConfig("akka.actor.serialization-settings." + name)));
            }
            else
            {
                System.Log.Warning("The type name for serializer '{0}' did not resolve to an actual Type: '{1}'", name, typeName);
            }
        }

        foreach (var (quoted, value) in config.GetConfig("akka.actor.serialization-bindings").AsEnumerable())
        {
            var typeName = quoted.Trim('"');
            var type = TypeNames.Resolve(typeName);
            if (type is null)
            {
                System.Log.Warning("The type name for message/serializer binding '{0}' did not resolve to an actual Type", typeName);
            }
            else if (_byName.TryGetValue(value.GetString(), out var serializer))
            {
                AddSerializationMap(type, serializer);
            }
            else
            {
                System.Log.Warning("Serialization binding to non existing serializer: '{0}'", value.GetString());
            }
        }
    }

    private void ReadSetup()
    {
        var setup = System.Settings.Setup.Get<SerializationSetup>();
        if (!setup.HasValue)
        {
            return;
        }

        foreach (var details in setup.Value.CreateSerializers((ExtendedActorSystem)System))
        {
            AddSerializer(details.Alias, details.Serializer);
            foreach (var type in details.UseFor)
            {
                AddSerializationMap(type, details.Serializer);
            }
        }
    }

    private Serializer Make(Type type, Configuration.Config config) =>
        type.GetConstructor([typeof(ExtendedActorSystem), typeof(Configuration.Config)]) is { } withConfig
            ? (Serializer)withConfig.Invoke([System, config])
            : (Serializer)Activator.CreateInstance(type, System);
}
