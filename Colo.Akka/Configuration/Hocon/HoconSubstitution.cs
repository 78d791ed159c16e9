namespace Akka.Configuration.Hocon;

/// <summary>
/// <c>${path}</c> or <c>${?path}</c>. The path is looked up in the same text after all of it is read, so it may point
/// forward. An optional one that finds nothing reads as null; a required one is an error of the text.
/// </summary>
public sealed class HoconSubstitution : IHoconElement, IMightBeAHoconObject
{
    public HoconSubstitution(string path)
        : this(path, isOptional: false)
    {
    }

    internal HoconSubstitution(string path, bool isOptional)
    {
        Path = path;
        IsOptional = isOptional;
    }

    /// <summary>The path between the braces, without the question mark.</summary>
    public string Path { get; set; }

    /// <summary>What the path led to, or null while unresolved.</summary>
    public HoconValue? ResolvedValue { get; set; }

    internal bool IsOptional { get; }

    /// <summary>Where it stands in the text, for errors.</summary>
    internal string? Position { get; init; }

    public bool IsString() => ResolvedValue is null || ResolvedValue.IsString();

    public string? GetString() => ResolvedValue?.GetString();

    public bool IsArray() => ResolvedValue is not null && ResolvedValue.IsArray();

    public IList<HoconValue> GetArray() => ResolvedValue?.GetArray() ?? [];

    public bool IsObject() => ResolvedValue is not null && ResolvedValue.IsObject();

    public HoconObject? GetObject() => ResolvedValue?.GetObject();
}
