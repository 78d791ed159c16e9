using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Akka.Configuration;

namespace Colo.Host.Configuration;

/// <summary>
/// Reads a node's HOCON file. Akka.NET's reader knows neither includes nor the environment, so both are here:
/// a line <c>include "FILE"</c> stands for that file (relative to the including one, at most 16 deep), and an
/// environment variable <c>CONFIG_FORCE_path</c> overrides a key, written as Lightbend's tools write it:
/// <c>_</c> is a dot, <c>__</c> a hyphen, <c>___</c> an underscore.
/// </summary>
public sealed partial class ConfigurationLoader
{
    private const int IncludeDepthMax = 16;
    private const string EnvironmentPrefix = "CONFIG_FORCE_";

    private readonly List<(string File, int Line)> origins = [];
    private readonly Dictionary<string, string> forced = new(StringComparer.Ordinal);
    private IReadOnlyDictionary<string, int> lines = new Dictionary<string, int>();

    private ConfigurationLoader()
    {
    }

    /// <summary>The settings, over the defaults of <c>hocon/reference.conf</c>.</summary>
    public Config Config { get; private set; } = Config.Empty;

    /// <summary>Everything wrong with the text; empty when it could be read.</summary>
    public List<ConfigurationError> Errors { get; } = [];

    /// <summary>Paths of all keys that the text or the environment sets.</summary>
    public IEnumerable<string> Keys => lines.Keys.Concat(forced.Keys).Distinct();

    /// <summary>Reads a file with its includes and the environment's overrides.</summary>
    public static ConfigurationLoader Load(string path, IReadOnlyDictionary<string, string> environment)
    {
        var loader = new ConfigurationLoader();
        var text = new StringBuilder();
        loader.Append(path, text, 0);
        loader.Read(text.ToString(), environment);
        return loader;
    }

    /// <summary>As <see cref="Load"/>, for a text that is no file; <paramref name="name"/> stands in
    /// messages.</summary>
    public static ConfigurationLoader Parse(string text, string name, IReadOnlyDictionary<string, string> environment)
    {
        var loader = new ConfigurationLoader();
        int number = 0;
        foreach (string _ in text.Split('\n'))
        {
            loader.origins.Add((name, ++number));
        }

        loader.Read(text, environment);
        return loader;
    }

    /// <summary>Where a key was set: <c>file:line</c>; for a default or a missing key, the nearest parent that was
    /// set.</summary>
    public string PlaceOf(string key)
    {
        for (string path = key; path.Length > 0; path = Parent(path))
        {
            if (forced.TryGetValue(path, out string? variable))
            {
                return variable;
            }

            if (lines.TryGetValue(path, out int line) && line <= origins.Count)
            {
                (string file, int number) = origins[line - 1];
                return $"{file}:{number}";
            }
        }

        return origins.Count > 0 ? origins[0].File : "reference.conf";
    }

    private static string Parent(string path)
    {
        int cut = Math.Max(path.LastIndexOf('.'), path.LastIndexOf('['));
        return cut < 0 ? string.Empty : path[..cut];
    }

    [GeneratedRegex("""^\s*include\s+"([^"]+)"\s*$""")]
    private static partial Regex IncludeLine();

    [GeneratedRegex(@"^line (\d+), column (\d+): ")]
    private static partial Regex ReaderPosition();

    private void Append(string path, StringBuilder text, int depth)
    {
        if (depth > IncludeDepthMax)
        {
            Errors.Add(new ConfigurationError(string.Empty, path, $"includes nest deeper than {IncludeDepthMax}"));
            return;
        }

        string[] content;
        try
        {
            content = File.ReadAllLines(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Errors.Add(new ConfigurationError(string.Empty, path, problem.Message));
            return;
        }

        for (int index = 0; index < content.Length; index++)
        {
            Match include = IncludeLine().Match(content[index]);
            if (include.Success)
            {
                Append(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, include.Groups[1].Value), text, depth + 1);
                continue;
            }

            text.Append(content[index]).Append('\n');
            origins.Add((path, index + 1));
        }
    }

    private void Read(string text, IReadOnlyDictionary<string, string> environment)
    {
        try
        {
            Config = Overrides(environment)
                .WithFallback(ConfigurationFactory.ParseString(text))
                .WithFallback(Reference);
            // Only of a text that can be read: what is wrong with another one is said by the reader, with its place.
            lines = HoconLocator.Lines(text);
        }
        catch (Exception problem) when (problem is FormatException or ConfigurationException or ArgumentException)
        {
            Errors.Add(Unreadable(problem.Message));
        }
    }

    /// <summary>The reader counts lines of the text with its includes in place; a user counts those of the
    /// file.</summary>
    private ConfigurationError Unreadable(string message)
    {
        Match place = ReaderPosition().Match(message);
        if (place.Success && int.TryParse(place.Groups[1].Value, CultureInfo.InvariantCulture, out int line) && line <= origins.Count)
        {
            (string file, int number) = origins[line - 1];
            return new ConfigurationError(string.Empty, $"{file}:{number}:{place.Groups[2].Value}", message[place.Length..]);
        }

        return new ConfigurationError(string.Empty, origins.Count > 0 ? origins[0].File : "?", message);
    }

    private Config Overrides(IReadOnlyDictionary<string, string> environment)
    {
        var text = new StringBuilder();
        foreach ((string name, string value) in environment.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            if (name.StartsWith(EnvironmentPrefix, StringComparison.Ordinal))
            {
                string key = name[EnvironmentPrefix.Length..]
                    .Replace("___", "\u0001", StringComparison.Ordinal)
                    .Replace("__", "-", StringComparison.Ordinal)
                    .Replace('_', '.')
                    .Replace('\u0001', '_');
                forced[key] = name;
                text.Append(key).Append(" = \"")
                    .Append(value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal))
                    .Append("\"\n");
            }
        }

        return text.Length == 0 ? Config.Empty : ConfigurationFactory.ParseString(text.ToString());
    }

    /// <summary>The defaults, which travel inside the program.</summary>
    public static Config Reference { get; } = ReadReference();

    /// <summary>Paths of all keys that the defaults set.</summary>
    public static IReadOnlyList<string> ReferenceKeys { get; } = [.. HoconLocator.Lines(ReferenceText()).Keys];

    private static Config ReadReference() => ConfigurationFactory.ParseString(ReferenceText());

    private static string ReferenceText()
    {
        using Stream stream = typeof(ConfigurationLoader).Assembly.GetManifestResourceStream("Colo.Host.reference.conf")
            ?? throw new InvalidOperationException("reference.conf is not in the program");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
