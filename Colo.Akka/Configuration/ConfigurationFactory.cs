using System.Collections;
using System.Reflection;
using Akka.Configuration.Hocon;

namespace Akka.Configuration;

/// <summary>Makes <see cref="Config"/> from text, files, resources and plain objects.</summary>
public static class ConfigurationFactory
{
    private const string ReferenceResource = "Akka.Configuration.Akka.conf";
    private static readonly string[] DefaultFiles = ["app.conf", "app.hocon"];

    /// <summary>A configuration without any key.</summary>
    public static Config Empty => ParseString("");

    /// <summary>Reads HOCON. <paramref name="includeCallback"/> answers <c>include "name"</c>.</summary>
    /// <exception cref="FormatException">The text cannot be read (the message has line and column), or a substitution
    /// leads nowhere.</exception>
    public static Config ParseString(string hocon, Func<string, HoconRoot>? includeCallback) =>
        new(Parser.Parse(hocon, includeCallback));

    /// <inheritdoc cref="ParseString(string, Func{string, HoconRoot})"/>
    public static Config ParseString(string hocon) => ParseString(hocon, null);

    /// <summary><c>app.conf</c> or <c>app.hocon</c> of the working directory, or an empty configuration.</summary>
    public static Config Load()
    {
        var file = Array.Find(DefaultFiles, File.Exists);
        return file is null ? Empty : ParseString(File.ReadAllText(file));
    }

    /// <summary>The reference configuration of the actor core, with every default.</summary>
    public static Config Default() => FromResource(ReferenceResource);

    public static Config FromObject(object source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new Config(new HoconRoot(ValueOf(source)));
    }

    /// <summary>An embedded resource of this assembly.</summary>
    internal static Config FromResource(string resourceName) =>
        FromResource(resourceName, typeof(ConfigurationFactory).Assembly);

    /// <summary>An embedded resource of the assembly that declares the type of
    /// <paramref name="instanceInAssembly"/>.</summary>
    public static Config FromResource(string resourceName, object instanceInAssembly)
    {
        ArgumentNullException.ThrowIfNull(instanceInAssembly);
        return instanceInAssembly switch
        {
            Type type => FromResource(resourceName, type.Assembly),
            Assembly assembly => FromResource(resourceName, assembly),
            _ => FromResource(resourceName, instanceInAssembly.GetType().Assembly),
        };
    }

    public static Config FromResource<TAssembly>(string resourceName) =>
        FromResource(resourceName, typeof(TAssembly).Assembly);

    public static Config FromResource(string resourceName, Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        using var stream = assembly.GetManifestResourceStream(resourceName)
            ?? throw new ConfigurationException($"Assembly {assembly.GetName().Name} has no embedded resource '{resourceName}'.");
        using var reader = new StreamReader(stream);
        return ParseString(reader.ReadToEnd());
    }

    private static HoconValue ValueOf(object? source)
    {
        var value = new HoconValue();
        switch (source)
        {
            case null or string or bool or IFormattable:
                value.NewValue(new HoconLiteral { Value = TextOf(source) });
                break;
            case IDictionary map:
                value.NewValue(ObjectOf(map.Keys.Cast<object>().Select(key => (key.ToString()!, map[key]))));
                break;
            case IEnumerable items:
                var array = new HoconArray();
                array.AddRange(items.Cast<object?>().Select(ValueOf));
                value.NewValue(array);
                break;
            default:
                var properties = source.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance);
                value.NewValue(ObjectOf(properties.Select(property => (property.Name, property.GetValue(source)))));
                break;
        }

        return value;
    }

    private static HoconObject ObjectOf(IEnumerable<(string Key, object? Value)> entries)
    {
        var result = new HoconObject();
        foreach (var (key, value) in entries)
        {
            result.Items[key] = ValueOf(value);
        }

        return result;
    }

    private static string? TextOf(object? source) => source switch
    {
        null => null,
        bool flag => flag ? "true" : "false",
        IFormattable formattable => formattable.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
        _ => source.ToString(),
    };
}
