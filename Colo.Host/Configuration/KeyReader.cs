using System.Globalization;
using System.Net;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Colo.Host.Configuration;

/// <summary>Reads keys with their bounds and collects what is wrong, each with its place in the file.</summary>
internal sealed class KeyReader
{
    private readonly ConfigurationLoader loader;
    private readonly Config config;

    public KeyReader(ConfigurationLoader loader)
        : this(loader, loader.Config, [])
    {
    }

    private KeyReader(ConfigurationLoader loader, Config config, List<ConfigurationError> errors)
    {
        this.loader = loader;
        this.config = config;
        Errors = errors;
    }

    public List<ConfigurationError> Errors { get; }

    /// <summary>
    /// A reader for the keys below <paramref name="prefix"/>, where those below another object are the defaults.
    /// </summary>
    public KeyReader WithDefaults(string prefix, string defaults)
    {
        // The defaults are moved below the prefix as text: Akka's Config cannot be put under a path otherwise.
        HoconValue? value = config.GetValue(defaults);
        Config moved = value is null
            ? Config.Empty : ConfigurationFactory.ParseString($"{prefix} {{\n{Body(value)}\n}}");
        return new KeyReader(loader, config.WithFallback(moved), Errors);
    }

    private static string Body(HoconValue value) => value.GetObject()!.ToString(0);

    /// <summary>The objects of a list, each with the key under which its place is known.</summary>
    public IReadOnlyList<(string Key, HoconObject Item)> Objects(string key)
    {
        HoconValue? value = config.GetValue(key);
        if (value is null || !value.IsArray())
        {
            return [];
        }

        var found = new List<(string, HoconObject)>();
        foreach (HoconValue item in value.GetArray())
        {
            string element = string.Create(CultureInfo.InvariantCulture, $"{key}[{found.Count}]");
            if (item.IsObject())
            {
                found.Add((element, item.GetObject()!));
            }
            else
            {
                Wrong(element, $"is '{item}', expected an object in braces");
            }
        }

        return found;
    }

    /// <summary>A text member of a list's object.</summary>
    public static string Member(HoconObject item, string name, string @default = "") =>
        item.Items.TryGetValue(name, out HoconValue? value) ? value.GetString() ?? @default : @default;

    public void Wrong(string key, string problem) =>
        Errors.Add(new ConfigurationError(key, loader.PlaceOf(key), problem));

    public string Text(string key, bool required = false)
    {
        string text = Guard(key, () => config.GetString(key), string.Empty, "a text") ?? string.Empty;
        if (required && text.Length == 0)
        {
            Wrong(key, "is not set");
        }

        return text;
    }

    /// <summary>A path of a file that must exist when it is set.</summary>
    public string File(string key)
    {
        string path = Text(key);
        if (path.Length > 0 && !System.IO.File.Exists(path))
        {
            Wrong(key, $"is '{path}': no such file");
        }

        return path;
    }

    /// <summary>An IP address; null when it is not set.</summary>
    public IPAddress? Address(string key)
    {
        string text = Text(key);
        if (text.Length == 0)
        {
            return null;
        }

        if (!IPAddress.TryParse(text, out IPAddress? address))
        {
            Wrong(key, $"is '{text}', expected an IP address");
        }

        return address;
    }

    /// <summary>A text, or a list of texts; empty when it is not set.</summary>
    public IReadOnlyList<string> Words(string key)
    {
        if (config.GetValue(key) is { } value && value.IsArray())
        {
            return Texts(key);
        }

        string text = Text(key);
        return text.Length == 0 ? [] : [text];
    }

    public bool Flag(string key) => Guard(key, () => config.GetBoolean(key), false, "on or off");

    public TimeSpan Duration(string key)
    {
        TimeSpan value = Guard(
            key, () =>
            config.GetTimeSpan(key, allowInfinite: false), TimeSpan.FromSeconds(1), "a duration such as 200ms or 5s");
        if (value <= TimeSpan.Zero)
        {
            Wrong(key, $"is {value.TotalMilliseconds} ms, expected a positive duration");
        }

        return value;
    }

    public long Bytes(string key, long least, long most)
    {
        long value = Guard(key, () => config.GetByteSize(key) ?? 0, least, "a size such as 64MiB");
        if (value < least || value > most)
        {
            Wrong(key, $"is {value} bytes, expected {least} to {most}");
        }

        return value;
    }

    public long Number(string key, long least, long most)
    {
        long value = Guard(key, () => config.GetLong(key), least, "a whole number");
        if (value < least || value > most)
        {
            Wrong(key, string.Create(CultureInfo.InvariantCulture, $"is {value}, expected {least} to {most}"));
        }

        return value;
    }

    public TEnum Choice<TEnum>(string key)
        where TEnum : struct, Enum
    {
        string text = Text(key);
        if (Enum.TryParse(text, ignoreCase: true, out TEnum value) && Enum.IsDefined(value)
            && !char.IsAsciiDigit(text[0]))
        {
            return value;
        }

        Wrong(key, $"is '{text}', expected one of {string.Join(", ", Enum.GetNames<TEnum>()).ToLowerInvariant()}");
        return default;
    }

    public IReadOnlyList<string> Texts(string key) =>
        [.. Guard(key, () => config.GetStringList(key), [], "a list of texts") ?? []];

    public IReadOnlyList<IPEndPoint> EndPoints(string key, bool required)
    {
        var found = new List<IPEndPoint>();
        foreach (string text in Texts(key))
        {
            if (IPEndPoint.TryParse(text, out IPEndPoint? address) && text.Contains(':', StringComparison.Ordinal))
            {
                found.Add(address);
            }
            else
            {
                Wrong(key, $"has '{text}', expected ADDRESS:PORT");
            }
        }

        if (required && Texts(key).Count == 0)
        {
            Wrong(key, "is empty, expected at least one ADDRESS:PORT");
        }

        return found;
    }

    /// <summary>Names below an object, in the order of their text.</summary>
    public IReadOnlyList<string> Children(string key)
    {
        HoconValue? value = config.GetValue(key);
        return value is null || !value.IsObject()
            ? [] : [.. value.GetObject()!.Items.Keys.Select(name => name.Trim('"')).Order(StringComparer.Ordinal)];
    }

    private T Guard<T>(string key, Func<T> read, T instead, string expected)
    {
        try
        {
            return read();
        }
        catch (Exception problem) when (
            problem is FormatException or OverflowException or NotSupportedException or ConfigurationException)
        {
            Wrong(key, $"is '{config.GetValue(key)}', expected {expected}");
            return instead;
        }
    }
}
