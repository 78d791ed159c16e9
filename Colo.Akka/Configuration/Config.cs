using Akka.Configuration.Hocon;

namespace Akka.Configuration;

/// <summary>
/// A tree of settings with an optional chain of fallbacks, immutable once made. A path is keys joined by dots, a key
/// with dots in it in quotes. Every getter looks in this tree first, then in the fallbacks in order.
/// </summary>
public class Config
{
    public Config()
        : this(new HoconRoot())
    {
    }

    public Config(HoconRoot root)
    {
        ArgumentNullException.ThrowIfNull(root);
        Root = root.Value;
        Substitutions = root.Substitutions;
    }

    public Config(Config source, Config? fallback)
    {
        ArgumentNullException.ThrowIfNull(source);
        Root = source.Root;
        Substitutions = source.Substitutions;
        Fallback = fallback!;
    }

    public static Config Empty => ConfigurationFactory.Empty;

    /// <summary>The next tree that is asked, or null.</summary>
    public Config Fallback { get; private set; } = null!;

    /// <summary>The value at the top of this tree, without fallbacks.</summary>
    public HoconValue Root { get; private set; }

    public IEnumerable<HoconSubstitution> Substitutions { get; set; }

    /// <summary>Whether neither this tree nor a fallback has a key.</summary>
    public virtual bool IsEmpty => Root.IsEmpty && (Fallback is null || Fallback.IsEmpty);

    public static implicit operator Config(string str) => ConfigurationFactory.ParseString(str);

    public static Config operator +(Config config, string fallback) =>
        config.WithFallback(ConfigurationFactory.ParseString(fallback));

    public static Config operator +(string configHocon, Config fallbackConfig) =>
        ConfigurationFactory.ParseString(configHocon).WithFallback(fallbackConfig);

    public virtual bool GetBoolean(string path, bool @default = false) => GetValue(path)?.GetBoolean() ?? @default;

    public virtual long? GetByteSize(string path) => GetValue(path)?.GetByteSize();

    public virtual int GetInt(string path, int @default = 0) => GetValue(path)?.GetInt() ?? @default;

    public virtual long GetLong(string path, long @default = 0) => GetValue(path)?.GetLong() ?? @default;

    /// <summary>The text at the path; null for the literal <c>null</c>; <paramref name="default"/> when the path is
    /// missing.</summary>
    public virtual string GetString(string path, string? @default = null) =>
        (GetValue(path) is { } value ? value.GetString() : @default)!;

    public virtual float GetFloat(string path, float @default = 0) => GetValue(path)?.GetFloat() ?? @default;

    public virtual decimal GetDecimal(string path, decimal @default = 0) => GetValue(path)?.GetDecimal() ?? @default;

    public virtual double GetDouble(string path, double @default = 0) => GetValue(path)?.GetDouble() ?? @default;

    public virtual IList<bool> GetBooleanList(string path) => GetValue(path)?.GetBooleanList() ?? [];

    public virtual IList<decimal> GetDecimalList(string path) => GetValue(path)?.GetDecimalList() ?? [];

    public virtual IList<float> GetFloatList(string path) => GetValue(path)?.GetFloatList() ?? [];

    public virtual IList<double> GetDoubleList(string path) => GetValue(path)?.GetDoubleList() ?? [];

    public virtual IList<int> GetIntList(string path) => GetValue(path)?.GetIntList() ?? [];

    public virtual IList<long> GetLongList(string path) => GetValue(path)?.GetLongList() ?? [];

    public virtual IList<byte> GetByteList(string path) => GetValue(path)?.GetByteList() ?? [];

    public virtual IList<string> GetStringList(string path) => GetValue(path)?.GetStringList() ?? [];

    public virtual IList<string> GetStringList(string path, string[] defaultPaths) =>
        GetValue(path)?.GetStringList() ?? defaultPaths;

    /// <summary>The subtree at the path with the same subtree of every fallback behind it; null when none has
    /// it.</summary>
    public virtual Config GetConfig(string path)
    {
        var below = Fallback?.GetConfig(path);
        var value = FindHere(path);
        if (value is null)
        {
            return below!;
        }

        var here = new Config(new HoconRoot(value));
        return below is null ? here : new Config(here, below);
    }

    /// <summary>The value at the path, or null. Objects that also exist in a fallback come merged.</summary>
    public HoconValue GetValue(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var value = FindHere(path);
        if (value is null)
        {
            return Fallback?.GetValue(path)!;
        }

        if (Fallback is not null && value.IsObject() && Fallback.GetValue(path) is { } below && below.IsObject())
        {
            return new HoconValue(HoconObject.MergedCopy(below.GetObject()!, value.GetObject()!));
        }

        return value;
    }

    /// <summary>A duration; a bare number is milliseconds. Missing: <paramref name="default"/>, or zero.</summary>
    /// <exception cref="FormatException">The value is not a duration, or is infinite where that is not
    /// allowed.</exception>
    public virtual TimeSpan GetTimeSpan(string path, TimeSpan? @default = null, bool allowInfinite = true) =>
        GetValue(path)?.GetTimeSpan(allowInfinite) ?? @default.GetValueOrDefault();

    public override string ToString() => ToString(includeFallback: false);

    public string ToString(bool includeFallback)
    {
        if (!includeFallback || Fallback is null)
        {
            return Root.ToString();
        }

        return Merged().ToString();
    }

    /// <summary>This configuration, and behind everything that it already has, <paramref name="fallback"/>.</summary>
    public virtual Config WithFallback(Config? fallback)
    {
        if (fallback is null)
        {
            return this;
        }

        if (ReferenceEquals(fallback, this))
        {
            throw new ArgumentException("Config can not have itself as fallback", nameof(fallback));
        }

        return Copy(fallback);
    }

    public virtual bool HasPath(string path) => GetValue(path) is not null;

    /// <summary>The keys at the top with their values, this tree's first, then those that only a fallback
    /// has.</summary>
    public virtual IEnumerable<KeyValuePair<string, HoconValue>> AsEnumerable()
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        for (var config = this; config is not null; config = config.Fallback)
        {
            if (config.Root.GetObject() is not { } level)
            {
                continue;
            }

            foreach (var item in level.Items)
            {
                if (used.Add(item.Key))
                {
                    yield return KeyValuePair.Create(item.Key, GetValue($"\"{item.Key}\""));
                }
            }
        }
    }

    protected Config Copy(Config? fallback = null)
    {
        var below = Fallback is null ? fallback : Fallback.Copy(fallback);
        return new Config(this, below);
    }

    private HoconValue? FindHere(string path)
    {
        var value = Root;
        foreach (var key in HoconText.SplitPath(path))
        {
            value = value.GetChildObject(key);
            if (value is null)
            {
                return null;
            }
        }

        return value;
    }

    private HoconValue Merged()
    {
        var below = Fallback?.Merged();
        if (below?.GetObject() is not { } lower)
        {
            return Root;
        }

        return Root.GetObject() is { } upper ? new HoconValue(HoconObject.MergedCopy(lower, upper)) : below;
    }
}
