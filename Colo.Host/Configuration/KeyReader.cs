using System.Globalization;
using System.Net;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Colo.Host.Configuration;

/// <summary>Reads keys with their bounds and collects what is wrong, each with its place in the file.</summary>
internal sealed class KeyReader
{
    /// <summary>The runtime's timers take at most 24 days.</summary>
    private static readonly TimeSpan DurationMax = TimeSpan.FromDays(20);

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
        if (value is null)
        {
            return [];
        }

        if (!value.IsArray())
        {
            Wrong(key, $"is '{value}', expected a list of objects: [{{ ... }}]");
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

    /// <summary>Complains about members of a list's object that nothing reads or that are no texts.</summary>
    public void CheckMembers(string key, HoconObject item, params IReadOnlyList<string> known)
    {
        foreach ((string quoted, HoconValue value) in item.Items)
        {
            string name = quoted.Trim('"');
            if (!known.Contains(name))
            {
                Wrong($"{key}.{name}", $"is not a key of Colo; expected {string.Join(", ", known)}");
            }
            else if (value.IsArray() || value.IsObject())
            {
                Wrong($"{key}.{name}", $"is '{value}', expected a text");
            }
        }
    }

    /// <summary>Takes a complaint; the same one again is not said twice.</summary>
    public void Wrong(string key, string problem)
    {
        var error = new ConfigurationError(key, loader.PlaceOf(key), problem);
        if (!Errors.Contains(error))
        {
            Errors.Add(error);
        }
    }

    public string Text(string key, bool required = false)
    {
        if (config.GetValue(key) is { } value && (value.IsArray() || value.IsObject()))
        {
            Wrong(key, $"is '{value}', expected a text");
            return string.Empty;
        }

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
        if (value <= TimeSpan.Zero || value > DurationMax)
        {
            Wrong(
                key,
                $"is {value.TotalMilliseconds} ms, expected a positive duration, at most {DurationMax.Days} days");
            return TimeSpan.FromSeconds(1);
        }

        return value;
    }

    /// <param name="unit">What the size must be a multiple of.</param>
    public long Bytes(string key, long least, long most, long unit = 1)
    {
        long value = Guard(
            key, () => config.GetByteSize(key) ?? throw new FormatException(), least, "a size such as 64MiB");
        if (value < least || value > most)
        {
            Wrong(key, $"is {value} bytes, expected {least} to {most}");
        }
        else if (value % unit != 0)
        {
            Wrong(
                key,
                $"is {value} bytes, expected a multiple of {unit >> 20} MiB (512MiB; 512MB are millions of bytes)");
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

        Wrong(
            key,
            $"is '{config.GetValue(key)}', expected one of "
            + string.Join(", ", Enum.GetNames<TEnum>()).ToLowerInvariant());
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
        if (value is not null && !value.IsObject())
        {
            Wrong(key, $"is '{value}', expected an object in braces");
        }

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
            // The last one is what Parse says to a list, which has no text.
            problem is FormatException or OverflowException or NotSupportedException or ConfigurationException
                or ArgumentException)
        {
            Wrong(key, $"is '{config.GetValue(key)}', expected {expected}");
            return instead;
        }
    }
}
