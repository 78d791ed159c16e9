using System.Runtime.Serialization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Akka.Actor;
using Akka.Util;

namespace Akka.Serialization;

/// <summary>
/// The serializer for everything that has no better one: JSON. It has the name and identifier that configurations use
/// for it, and is made with System.Text.Json. References to actors travel as paths. What crosses between nodes of Colo
/// has serializers of its own; this one is for tests and for small programs.
/// </summary>
public class NewtonSoftJsonSerializer : Serializer
{
    private readonly JsonSerializerOptions _options;

    public NewtonSoftJsonSerializer(ExtendedActorSystem system)
        : base(system)
    {
        _options = new JsonSerializerOptions
        {
            IncludeFields = true,
            PreferredObjectCreationHandling = JsonObjectCreationHandling.Replace,
            NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        };
        _options.Converters.Add(new SurrogateConverterFactory(system));
        _options.Converters.Add(new TypeConverter());
        _options.Converters.Add(new ExceptionConverterFactory());
        _options.Converters.Add(new UntypedConverter());
    }

    public override int Identifier => 1;

    public override bool IncludeManifest => true;

    public override byte[] ToBinary(object obj)
    {
        try
        {
            return JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), _options);
        }
        catch (NotSupportedException e)
        {
            throw new SerializationException($"Cannot write {obj.GetType()} as JSON: {e.Message}", e);
        }
    }

    public override object FromBinary(byte[] bytes, Type type)
    {
        try
        {
            return JsonSerializer.Deserialize(bytes, type ?? typeof(object), _options);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or InvalidOperationException)
        {
            throw new SerializationException($"Cannot read {type} from JSON: {e.Message}", e);
        }
    }

    /// <summary>Values that only mean something in one system are written as their surrogates.</summary>
    private sealed class SurrogateConverterFactory(ExtendedActorSystem system) : JsonConverterFactory
    {
        public override bool CanConvert(Type typeToConvert) => typeof(ISurrogated).IsAssignableFrom(typeToConvert);

        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(
                typeof(SurrogateConverter<>).MakeGenericType(typeToConvert), system);
    }

    private sealed class SurrogateConverter<T>(ExtendedActorSystem system) : JsonConverter<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            using var document = JsonDocument.ParseValue(ref reader);
            var name = document.RootElement.GetProperty("$type").GetString();
            var type = TypeNames.Resolve(name);
            if (type is null || !typeof(ISurrogate).IsAssignableFrom(type))
            {
                throw new JsonException($"'{name}' is not a surrogate");
            }

            var surrogate = (ISurrogate)document.RootElement.GetProperty("$value").Deserialize(type, options);
            return (T)surrogate.FromSurrogate(system);
        }

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
        {
            var surrogate = ((ISurrogated)value).ToSurrogate(system);
            writer.WriteStartObject();
            writer.WriteString("$type", TypeNames.NameOf(surrogate.GetType()));
            writer.WritePropertyName("$value");
            JsonSerializer.Serialize(writer, surrogate, surrogate.GetType(), options);
            writer.WriteEndObject();
        }
    }

    private sealed class TypeConverter : JsonConverter<Type>
    {
        public override Type Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            TypeNames.Resolve(reader.GetString());

        public override void Write(Utf8JsonWriter writer, Type value, JsonSerializerOptions options) =>
            writer.WriteStringValue(TypeNames.NameOf(value));
    }

    /// <summary>
    /// An exception travels as its type and text, and comes back as that type where it has a text constructor.
    /// </summary>
    private sealed class ExceptionConverterFactory : JsonConverterFactory
    {
        public override bool CanConvert(Type typeToConvert) => typeof(Exception).IsAssignableFrom(typeToConvert);

        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(typeof(ExceptionConverter<>).MakeGenericType(typeToConvert));
    }

    private sealed class ExceptionConverter<T> : JsonConverter<T>
        where T : Exception
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            using var document = JsonDocument.ParseValue(ref reader);
            var type = TypeNames.Resolve(document.RootElement.GetProperty("$type").GetString());
            var message = document.RootElement.GetProperty("Message").GetString();
            var known = type is not null && typeof(T).IsAssignableFrom(type)
                && type.GetConstructor([typeof(string)]) is not null;
            return (T)(known ? Activator.CreateInstance(type, message) : new Exception(message));
        }

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
        {
            writer.WriteStartObject();
            writer.WriteString("$type", TypeNames.NameOf(value.GetType()));
            writer.WriteString("Message", value.Message);
            writer.WriteEndObject();
        }
    }

    /// <summary>A member declared as object keeps its type.</summary>
    private sealed class UntypedConverter : JsonConverter<object>
    {
        public override bool CanConvert(Type typeToConvert) => typeToConvert == typeof(object);

        public override object Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.String:
                    return reader.GetString();
                case JsonTokenType.True:
                case JsonTokenType.False:
                    return reader.GetBoolean();
                default:
                    using (var document = JsonDocument.ParseValue(ref reader))
                    {
                        return ReadTyped(document.RootElement, options);
                    }
            }
        }

        public override void Write(Utf8JsonWriter writer, object value, JsonSerializerOptions options)
        {
            switch (value)
            {
                case string text:
                    writer.WriteStringValue(text);
                    break;
                case bool flag:
                    writer.WriteBooleanValue(flag);
                    break;
                case var plain when plain.GetType() == typeof(object):
                    writer.WriteStartObject();
                    writer.WriteEndObject();
                    break;
                default:
                    writer.WriteStartObject();
                    writer.WriteString("$type", TypeNames.NameOf(value.GetType()));
                    writer.WritePropertyName("$value");
                    JsonSerializer.Serialize(writer, value, value.GetType(), options);
                    writer.WriteEndObject();
                    break;
            }
        }

        private static object ReadTyped(JsonElement element, JsonSerializerOptions options)
        {
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty("$type", out var name))
            {
                return element.ValueKind == JsonValueKind.Number ? element.GetInt64() : new object();
            }

            var type = TypeNames.Resolve(name.GetString())
                ?? throw new JsonException($"Type '{name}' is not known here");
            return element.GetProperty("$value").Deserialize(type, options);
        }
    }
}
