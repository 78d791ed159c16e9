using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Colo.Vmm.Qmp.Parts;

/// <summary>
/// The members of one JSON object, or of an option of the command line (<c>a=b,c.d=e</c>), read by name and type.
/// Each getter says in QEMU's words what is missing or of another type; <see cref="End"/> refuses what nobody read.
/// Values of the command line are texts, so there a number or a switch is taken from its text.
/// </summary>
internal sealed class QmpFields
{
    private readonly JsonElement _object;
    private readonly bool _isText;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);
    private readonly List<QmpFields> _nested = [];

    private QmpFields(JsonElement value, bool isText)
    {
        _object = value;
        _isText = isText;
    }

    /// <summary>The arguments of a command; nothing at all counts as an empty object.</summary>
    public static QmpFields Of(JsonElement arguments) => new(arguments, isText: false);

    /// <summary>
    /// An option: settings between commas. A first one without a value is that of <paramref name="first"/>.
    /// </summary>
    public static QmpFields Parse(string text, string? first)
    {
        var root = new JsonObject();
        foreach (string part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            string name = equals >= 0 ? part[..equals] : first is not null && root.Count == 0 ? first : part;
            string value = equals >= 0 ? part[(equals + 1)..] : name == part ? "on" : part;
            string[] path = name.Split('.');
            JsonObject into = root;
            foreach (string step in path[..^1])
            {
                into = into[step] switch
                {
                    null => Added(into, step),
                    JsonObject known => known,
                    _ => throw new QmpFailureException($"'{text}': '{step}' is a value and has no '{path[^1]}'"),
                };
            }

            into[path[^1]] = value;
        }

        return new QmpFields(JsonSerializer.SerializeToElement(root), isText: true);
    }

    public bool Has(string name) => TryFind(name, out _);

    public string Text(string name) => TextOrNull(name) ?? throw Missing(name);

    public string? TextOrNull(string name)
    {
        if (!TryFind(name, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw WrongType(name, "string");
    }

    public bool Switch(string name, bool otherwise)
    {
        if (!TryFind(name, out JsonElement value))
        {
            return otherwise;
        }

        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.String when _isText => value.GetString() switch
            {
                "on" or "yes" or "true" => true,
                "off" or "no" or "false" => false,
                var other => throw new QmpFailureException($"Parameter '{name}' is '{other}', expected 'on' or 'off'"),
            },
            _ => throw WrongType(name, "boolean"),
        };
    }

    public long Number(string name, long otherwise, long min, long max)
    {
        if (!TryFind(name, out JsonElement value))
        {
            return otherwise;
        }

        long number;
        bool isNumber = _isText && value.ValueKind == JsonValueKind.String
            ? long.TryParse(value.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number)
            : value.ValueKind == JsonValueKind.Number
                ? value.TryGetInt64(out number)
                : throw WrongType(name, "integer");
        if (!isNumber)
        {
            throw WrongType(name, "integer");
        }

        return number >= min && number <= max
            ? number
            : throw new QmpFailureException($"Parameter '{name}' is {number}, expected {min} to {max}");
    }

    /// <summary>One of a few words; QEMU's answer to any other.</summary>
    public string Choice(string name, string? otherwise, params ReadOnlySpan<string> choices)
    {
        string text = TextOrNull(name) ?? otherwise ?? throw Missing(name);
        return choices.Contains(text)
            ? text
            : throw new QmpFailureException(
                $"Parameter '{name}' does not accept value '{text}', expected {string.Join(", ", choices!)}");
    }

    public QmpFields Nested(string name)
    {
        if (!TryFind(name, out JsonElement value))
        {
            throw Missing(name);
        }

        if (value.ValueKind != JsonValueKind.Object)
        {
            throw WrongType(name, "object");
        }

        var nested = new QmpFields(value, _isText);
        _nested.Add(nested);
        return nested;
    }

    /// <summary>Whether the member is an object, and not for example the name of one.</summary>
    public bool IsObject(string name) =>
        TryFind(name, out JsonElement value) && value.ValueKind == JsonValueKind.Object;

    /// <summary>Everything has been read; what is left was a mistake.</summary>
    public void End()
    {
        if (_object.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty member in _object.EnumerateObject())
            {
                if (!_read.Contains(member.Name))
                {
                    throw new QmpFailureException($"Parameter '{member.Name}' is unexpected");
                }
            }
        }

        _nested.ForEach(nested => nested.End());
    }

    public static QmpFailureException Missing(string name) => new($"Parameter '{name}' is missing");

    private static QmpFailureException WrongType(string name, string expected) =>
        new($"Invalid parameter type for '{name}', expected: {expected}");

    private static JsonObject Added(JsonObject into, string name)
    {
        var added = new JsonObject();
        into[name] = added;
        return added;
    }

    private bool TryFind(string name, out JsonElement value)
    {
        value = default;
        if (_object.ValueKind != JsonValueKind.Object || !_object.TryGetProperty(name, out value))
        {
            return false;
        }

        _read.Add(name);
        return true;
    }
}
